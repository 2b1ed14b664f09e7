"""The course of a simulation as a picture: arrivals, images outstanding, instances and waits, one above the other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw

from autoscaler.simulator.world import Outcome
from autoscaler.values import Limits

WIDTH, HEIGHT, LEFT, GAP = 1200, 170, 70, 34
INK, GRID, FAINT, STRONG, ALARM = "#222222", "#dddddd", "#9bbad6", "#1f5f9e", "#c0392b"

# Between two marks of an axis, of values and of time.
_STEPS = [part * 10.0**power for power in range(-3, 9) for part in (1, 2, 5)]
_TIMES_S = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200]
_TIMES_S += [86400 * days for days in (1, 2, 5, 10, 20, 50)]

Points = Sequence[tuple[float, float]]


def draw(outcome: Outcome, arrivals_s: Sequence[float], limits: Limits, path: Path) -> None:
    """Write the picture as a PNG file."""
    until_s = max([at_s for at_s, *_ in outcome.course] + list(arrivals_s[-1:]) + [1.0])
    image = Image.new("RGB", (LEFT + WIDTH + 20, 4 * (HEIGHT + GAP) + 20), "white")
    pen = ImageDraw.Draw(image)
    panels = [_Panel(pen, GAP + row * (HEIGHT + GAP), until_s) for row in range(4)]
    step_s = max(1.0, until_s / WIDTH * 3)
    panels[0].area("arrivals, images per second", _per_second(arrivals_s, until_s, step_s), FAINT)
    panels[1].area("outstanding, images", [(at_s, backlog) for at_s, backlog, _, _ in outcome.course], FAINT)
    most = max((instances for *_, instances in outcome.course), default=0) or 1
    panels[2].area(
        "instances, all (faint) and ready", [(at_s, every) for at_s, _, _, every in outcome.course], FAINT, most
    )
    panels[2].line([(at_s, ready) for at_s, _, ready, _ in outcome.course], STRONG, most)
    waits = list(zip(arrivals_s, outcome.waits_s, strict=True))
    top = max([*outcome.waits_s, limits.target_s]) * 1.05
    panels[3].dots("seconds from arrival to result, by arrival; the target in red", waits, STRONG, top)
    panels[3].line([(0.0, limits.target_s), (until_s, limits.target_s)], ALARM, top)
    image.save(path, "PNG")


class _Panel:
    """One strip of the picture: time from left to right, a value from its bottom up."""

    def __init__(self, pen: ImageDraw.ImageDraw, top: int, until_s: float) -> None:
        self._pen, self._top, self._until_s = pen, top, until_s

    def area(self, title: str, points: Points, colour: str, highest: float = 0.0) -> None:
        highest = highest or max((value for _, value in points), default=1.0) or 1.0
        self._frame(title, highest)
        for at_s, value in points:
            x, y = self._place(at_s, value, highest)
            self._pen.line([(x, self._top + HEIGHT), (x, y)], fill=colour)
        self.line(points, colour, highest)

    def line(self, points: Points, colour: str, highest: float) -> None:
        self._pen.line([self._place(at_s, value, highest) for at_s, value in points], fill=colour, width=2)

    def dots(self, title: str, points: Points, colour: str, highest: float) -> None:
        self._frame(title, highest)
        self._pen.point([self._place(at_s, value, highest) for at_s, value in points], fill=colour)

    def _frame(self, title: str, highest: float) -> None:
        self._pen.rectangle([LEFT, self._top, LEFT + WIDTH, self._top + HEIGHT], outline=GRID)
        self._pen.text((LEFT, self._top - 14), title, fill=INK)
        for value in _ticks(highest, 4, _STEPS):
            _, y = self._place(0, value, highest)
            self._pen.line([(LEFT - 4, y), (LEFT + WIDTH, y)], fill=GRID)
            self._pen.text((LEFT - 8, y), f"{value:.4g}", fill=INK, anchor="rm")
        for at_s in _ticks(self._until_s, 12, _TIMES_S):
            x, bottom = self._place(at_s, 0, highest)
            self._pen.line([(x, bottom), (x, bottom + 4)], fill=INK)
            self._pen.text((x, bottom + 6), _time(at_s), fill=INK, anchor="ma")

    def _place(self, at_s: float, value: float, highest: float) -> tuple[float, float]:
        return LEFT + WIDTH * at_s / self._until_s, self._top + HEIGHT * (1 - value / highest)


def _ticks(highest: float, most: int, steps: Sequence[float]) -> list[float]:
    """Return round values from 0 to the highest, ``most`` beside the 0."""
    step = next((step for step in steps if highest / step <= most), highest)
    return [step * number for number in range(int(highest / step + 1e-9) + 1)]


def _time(at_s: float) -> str:
    for unit_s, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if at_s >= unit_s and at_s % (unit_s / 2) == 0:
            return f"{at_s / unit_s:g} {unit}"
    return f"{at_s:g} s"


def _per_second(arrivals_s: Sequence[float], until_s: float, step_s: float) -> Points:
    counts = [0] * (int(until_s / step_s) + 1)
    for arrival in arrivals_s:
        counts[int(arrival / step_s)] += 1
    return [(step * step_s, count / step_s) for step, count in enumerate(counts)]
