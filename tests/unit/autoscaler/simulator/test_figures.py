"""The figures of runs, and how they are printed."""

from __future__ import annotations

from autoscaler.simulator.figures import WORDS, over_bound, report, spread, table
from autoscaler.simulator.world import Outcome, World
from autoscaler.values import Limits

OUTCOME = Outcome(waits_s=[1.0, 2.0, 61.0, 70.0], bills=[(60.0, 4), (66.0, 0)], course=[(0.0, 4, 0, 2)])


def test_a_report_has_costs_in_work_and_waits_in_seconds() -> None:
    found = report(OUTCOME, [0.0] * 4, Limits(19), World(2.0))
    assert found["work_seconds"] == 2
    assert found["billed_seconds"] == 126
    assert found["billed_over_work"] == 63
    assert (found["launches"], found["wasted_launches"], found["peak_instances"]) == (2, 1, 2)
    assert (found["p50"], found["p95"], found["longest"]) == (2, 70, 70)
    assert (found["over_target"], found["share_over_target"]) == (2, 0.5)


def test_every_figure_has_a_name_and_a_unit_for_people() -> None:
    found = report(OUTCOME, [0.0] * 4, Limits(19), World(2.0))
    assert set(found) <= set(WORDS)
    printed = table({"deadline": (found, {})})
    assert "63.000 times" in printed
    assert "126 instance-s" in printed
    assert "70 s" in printed
    assert "50 %" in printed


def test_several_runs_are_told_by_their_mean_least_and_most() -> None:
    means, between = spread([{"p50": 1.0, "p95": None}, {"p50": 3.0, "p95": None}])
    assert means == {"p50": 2.0, "p95": None}
    assert between == {"p50": (1.0, 3.0)}
    printed = table({"seed": (means, between), "keda": ({"p50": 5.0}, {})})
    assert printed.splitlines()[0].split() == ["seed", "keda"]
    assert "2 s (1 to 3)" in printed


def test_a_bill_is_held_against_a_bound() -> None:
    found = over_bound({"work_seconds": 50.0, "billed_seconds": 180.0}, 120.0)
    assert found == {"bound_over_work": 2.4, "over_bound": 1.5}
    assert set(found) <= set(WORDS)
