"""Cost against lateness: each policy with targets from 20 to 300 s, as one picture (SVG) of a line for each."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from xml.sax.saxutils import escape

from autoscaler.simulator.contenders import CONTENDERS, simulate
from autoscaler.simulator.figures import report
from autoscaler.simulator.world import World
from autoscaler.values import Limits

TARGETS_S = (20.0, 30.0, 45.0, 60.0, 90.0, 120.0, 200.0, 300.0)
WIDTH, HEIGHT, LEFT, TOP = 760, 420, 70, 30
# Of late images: none is drawn as this few; the axis goes from it to all.
FEWEST = 1e-5
_COLOURS = ("#1f5f9e", "#c0392b", "#27864b", "#8e44ad", "#c87f0a", "#555555", "#16a0a0")

Point = tuple[float, float, float]


def curve(
    arrivals_s: Sequence[float],
    limits: Callable[[str, float], Limits],
    world: World,
    tell: Callable[[str], object] = lambda _: None,
) -> dict[str, list[Point]]:
    """Return for each contender, at each target, that target, the share of late images and the cost over the work.

    Args:
        arrivals_s: when each image arrives, ascending.
        limits: makes a contender's limits for a target.
        world: everything else.
        tell: is told what is being simulated.
    """
    found: dict[str, list[Point]] = {}
    for policy in CONTENDERS:
        for target_s in TARGETS_S:
            tell(f"{policy}, {target_s:g} s")
            within = limits(policy, target_s)
            figures = report(simulate(arrivals_s, policy, within, world), arrivals_s, within, world)
            point = (target_s, figures["share_over_target"], figures["billed_over_work"])
            found.setdefault(policy, []).append(point)
    return found


def svg(found: Mapping[str, Sequence[Point]]) -> str:
    """Return the picture: late images to the right, cost upwards, both logarithmic; the targets written beside."""
    top = max(cost for points in found.values() for *_, cost in points)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LEFT + WIDTH + 150} {TOP + HEIGHT + 60}" '
        'font-family="sans-serif" font-size="12">',
        '<rect width="100%" height="100%" fill="white"/>',
        *_axes(top),
    ]
    for colour, (policy, points) in zip(_COLOURS, found.items(), strict=False):
        placed = [(_x(late), _y(cost, top)) for _, late, cost in points]
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in placed)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in placed]
        parts += [
            f'<text x="{x + 5:.1f}" y="{y - 4:.1f}" fill="{colour}" font-size="9">{target_s:g}</text>'
            for (x, y), (target_s, *_) in zip(placed, points, strict=True)
        ]
        row = TOP + 14 + 18 * list(found).index(policy)
        parts.append(f'<text x="{LEFT + WIDTH + 20}" y="{row}" fill="{colour}">{escape(policy)}</text>')
    return "\n".join([*parts, "</svg>", ""])


def _axes(top: float) -> list[str]:
    """Return the frame, the grid and what it counts."""
    parts = [f'<rect x="{LEFT}" y="{TOP}" width="{WIDTH}" height="{HEIGHT}" fill="none" stroke="#999999"/>']
    for power in range(int(math.log10(FEWEST)), 1):
        x, share = _x(10.0**power), "none" if 10.0**power <= FEWEST else f"{100 * 10.0**power:g} %"
        parts.append(f'<line x1="{x:.1f}" y1="{TOP}" x2="{x:.1f}" y2="{TOP + HEIGHT}" stroke="#dddddd"/>')
        parts.append(f'<text x="{x:.1f}" y="{TOP + HEIGHT + 16}" text-anchor="middle">{share}</text>')
    for cost in (1, 1.5, 2, 3, 5, 10, 20, 50, 100, 200):
        if cost <= top:
            y = _y(cost, top)
            parts.append(f'<line x1="{LEFT}" y1="{y:.1f}" x2="{LEFT + WIDTH}" y2="{y:.1f}" stroke="#dddddd"/>')
            parts.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{cost:g}</text>')
    parts.append(
        f'<text x="{LEFT}" y="{TOP - 10}">billed seconds over the work; beside each point its target in seconds</text>'
    )
    parts.append(f'<text x="{LEFT}" y="{TOP + HEIGHT + 40}">images over that target</text>')
    return parts


def _x(late: float) -> float:
    return LEFT + WIDTH * (1 - math.log10(max(late, FEWEST)) / math.log10(FEWEST))


def _y(cost: float, top: float) -> float:
    return TOP + HEIGHT * (1 - math.log(max(cost, 1.0)) / math.log(max(top, 2.0)))
