"""A strip of a time line as SVG: what is measured, over the faults that held meanwhile."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT, LANE, LEFT, TOP, BOTTOM = 1120, 150, 26, 46, 26, 18
# Name, from and to, in seconds since 1970.
Band = tuple[float, float, str]


@dataclass(frozen=True)
class Axis:
    """The time that a line shows, in seconds since 1970."""

    began: float
    ended: float

    def x(self, at: float) -> float:
        """Return where a time is; what is outside is at the edge."""
        at = min(self.ended, max(self.began, at))
        return LEFT + (at - self.began) / (self.ended - self.began) * (WIDTH - LEFT)

    def minutes(self) -> range:
        """Return the minutes that have a mark: about ten."""
        count = int((self.ended - self.began) / 60)
        return range(0, count + 1, max(1, round(count / 10)))


@dataclass(frozen=True)
class Series:
    """What is drawn: times, in seconds since 1970, and values; ``dots`` are not joined by a line."""

    name: str
    points: Sequence[tuple[float, float]]
    dots: bool = False


def lane(axis: Axis, bands: Sequence[Band]) -> str:
    """Return the strip with the faults' numbers, as far as there is room for them."""
    boxes = "".join(_box(axis, band, number) for number, band in enumerate(bands, 1))
    return f"<svg viewBox='0 0 {WIDTH} {LANE}' role=img aria-label='The faults'>{boxes}</svg>"


def _box(axis: Axis, band: Band, number: int) -> str:
    start, stop, name = band
    left, width = axis.x(start), max(3.0, axis.x(stop) - axis.x(start))
    text = f"<text class=number x='{left + width / 2:.1f}' y='{LANE - 9}'>{number}</text>"
    return (
        f"<g><title>{number}. {escape(name)}</title><rect class=fault x='{left:.1f}' y=4 rx=2 width='{width:.1f}' "
        f"height='{LANE - 8}'/>{text if width > 7 * len(str(number)) else ''}</g>"
    )


def chart(title: str, axis: Axis, bands: Sequence[Band], series: Sequence[Series], *, steps: bool = False) -> str:
    """Return a strip; ``steps`` draws values that hold until the next."""
    top = _round_up(max([1.0, *(value for one in series for _, value in one.points)]))
    shapes = "".join(_shape(axis, one, top, number, steps) for number, one in enumerate(series))
    return (
        f"<figure><figcaption>{escape(title)}{_legend(series)}</figcaption>"
        f"<svg viewBox='0 0 {WIDTH} {HEIGHT}' role=img aria-label='{escape(title)}'>"
        f"{_bands(axis, bands)}{_grid(axis, top)}{shapes}</svg></figure>"
    )


def _legend(series: Sequence[Series]) -> str:
    named = [(number, one.name) for number, one in enumerate(series) if one.name]
    return "".join(f"<span class='key s{number}'>{escape(name)}</span>" for number, name in named)


def _bands(axis: Axis, bands: Sequence[Band]) -> str:
    return "".join(
        f"<rect class=band x='{axis.x(start):.1f}' y=6 width='{max(1.0, axis.x(stop) - axis.x(start)):.1f}' "
        f"height='{HEIGHT - BOTTOM - 6}'><title>{number}. {escape(name)}</title></rect>"
        for number, (start, stop, name) in enumerate(bands, 1)
    )


def _grid(axis: Axis, top: float) -> str:
    lines = "".join(
        f"<line class=grid x1={LEFT} x2={WIDTH} y1='{_y(value, top):.1f}' y2='{_y(value, top):.1f}'/>"
        f"<text class=value x={LEFT - 8} y='{_y(value, top) + 4:.1f}'>{value:g}</text>"
        for value in (0, top / 2, top)
    )
    marks = "".join(
        f"<text class=minute x='{axis.x(axis.began + 60 * minute):.1f}' y={HEIGHT - 2}>{minute}</text>"
        for minute in axis.minutes()
    )
    return lines + marks


def _shape(axis: Axis, series: Series, top: float, number: int, steps: bool) -> str:
    places = [(axis.x(at), _y(value, top)) for at, value in series.points]
    if series.dots:
        return "".join(f"<circle class='dot s{number}' cx='{x:.1f}' cy='{y:.1f}' r=1.6 />" for x, y in places)
    if steps:
        corners = zip(places[1:], places, strict=False)
        places = [*places[:1], *(place for (x, y), (_, before) in corners for place in ((x, before), (x, y)))]
    return f"<polyline class='line s{number}' points='{' '.join(f'{x:.1f},{y:.1f}' for x, y in places)}'/>"


def _y(value: float, top: float) -> float:
    return HEIGHT - BOTTOM - value / top * (HEIGHT - BOTTOM - 12)


def _round_up(value: float) -> float:
    """Return the next of 1, 2, 4, 5, 10, 20, 40, ..., so that half of it is a plain number too."""
    ten = 10 ** math.floor(math.log10(value))
    return next((float(step * ten) for step in (1, 2, 4, 5) if step * ten >= value), 10.0 * ten)
