"""The course of a simulation as a picture."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image, ImageColor

from autoscaler.simulator.plot import ALARM, FAINT, GAP, HEIGHT, LEFT, STRONG, WIDTH, draw
from autoscaler.simulator.world import Outcome
from autoscaler.values import Limits

LIMITS = Limits(19, target_s=60.0)
ARRIVALS = [10.0, 50.0]
OUTCOME = Outcome(waits_s=[20.0, 90.0], course=[(0.0, 0, 0, 0), (50.0, 2, 1, 2), (100.0, 0, 2, 2)])


def drawn(outcome: Outcome, arrivals_s: list[float], path: Path) -> Image.Image:
    draw(outcome, arrivals_s, LIMITS, path)
    with Image.open(path) as image:
        assert image.format == "PNG"
        return image.convert("RGB")


def panel(image: Image.Image, row: int) -> Image.Image:
    """Return the inside of one of the four strips."""
    top = GAP + row * (HEIGHT + GAP)
    return image.crop((LEFT + 2, top, LEFT + WIDTH - 1, top + HEIGHT - 1))


def columns(image: Image.Image, colour: str) -> set[int]:
    """Return where on the axis of time a colour is."""
    wanted = ImageColor.getrgb(colour)
    return {x for x in range(image.width) for y in range(image.height) if image.getpixel((x, y)) == wanted}


def rows(image: Image.Image, colour: str) -> set[int]:
    wanted = ImageColor.getrgb(colour)
    return {y for y in range(image.height) for x in range(image.width) if image.getpixel((x, y)) == wanted}


def test_each_wait_is_a_dot_at_its_arrival_and_the_target_is_a_line_across(tmp_path: Path) -> None:
    waits = panel(drawn(OUTCOME, ARRIVALS, tmp_path / "course.png"), 3)
    assert columns(waits, STRONG) == {int(WIDTH * at_s / 100) - 2 for at_s in ARRIVALS}
    assert len(columns(waits, ALARM)) == waits.width
    early, late = sorted(rows(waits, STRONG), reverse=True)
    assert late < min(rows(waits, ALARM)) < max(rows(waits, ALARM)) < early, "one wait is under the target, one over"


def test_arrivals_and_the_backlog_are_where_they_were(tmp_path: Path) -> None:
    image = drawn(OUTCOME, ARRIVALS, tmp_path / "course.png")
    assert columns(panel(image, 0), FAINT)
    backlog = columns(panel(image, 1), FAINT)
    assert WIDTH // 2 - 2 in backlog


def test_instances_that_are_ready_are_drawn_over_all(tmp_path: Path) -> None:
    instances = panel(drawn(OUTCOME, ARRIVALS, tmp_path / "course.png"), 2)
    ready, all_ = rows(instances, STRONG), rows(instances, FAINT)
    assert ready
    assert min(all_) <= min(ready)


@pytest.mark.parametrize("outcome", [Outcome([]), Outcome([], course=[(0.0, 0, 0, 0)])], ids=["no course", "no image"])
def test_a_run_in_which_nothing_happened_can_be_drawn(outcome: Outcome, tmp_path: Path) -> None:
    assert drawn(outcome, [], tmp_path / "course.png").size == (LEFT + WIDTH + 20, 4 * (HEIGHT + GAP) + 20)
