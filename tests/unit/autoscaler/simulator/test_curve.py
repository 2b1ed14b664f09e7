"""Cost against lateness, as a picture."""

from __future__ import annotations

from xml.etree import ElementTree

from autoscaler.policy import POLICIES
from autoscaler.simulator.contenders import CONTENDERS
from autoscaler.simulator.curve import HEIGHT, LEFT, TARGETS_S, TOP, WIDTH, curve, svg
from autoscaler.simulator.world import World
from autoscaler.values import Limits

SVG = "{http://www.w3.org/2000/svg}"


def limits(policy: str, target_s: float) -> Limits:
    return Limits(19, policy if policy in POLICIES else "seed", target_s=target_s)


def test_each_contender_is_run_at_each_target_and_more_time_makes_fewer_late() -> None:
    told: list[str] = []
    found = curve([0.0, 1.0, 2.0], limits, World(2.0), told.append)
    assert set(found) == set(CONTENDERS)
    assert all([target_s for target_s, *_ in points] == list(TARGETS_S) for points in found.values())
    assert len(told) == len(CONTENDERS) * len(TARGETS_S)
    late = [share for _, share, _ in found["deadline"]]
    assert late[0] == 1.0, "no boot is over after 20 s"
    assert late[-1] == 0.0


def test_the_picture_has_a_line_for_each_with_the_cheap_below_and_the_late_to_the_right() -> None:
    drawn = ElementTree.fromstring(svg({"a<b": [(20.0, 1.0, 10.0), (300.0, 0.0, 1.0)], "c": [(60.0, 0.01, 2.0)]}))
    (first, last), middle = [
        [tuple(map(float, point.split(","))) for point in line.attrib["points"].split()]
        for line in drawn.iter(f"{SVG}polyline")
    ]
    assert first == (LEFT + WIDTH, TOP)
    assert last == (LEFT, TOP + HEIGHT)
    assert LEFT < middle[0][0] < LEFT + WIDTH
    assert {"a<b", "c", "20", "300", "60"} <= {text.text for text in drawn.iter(f"{SVG}text")}
