"""The policies, as tables and as laws."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain import Instance, InstanceState, QueueDepth
from autoscaler.policy import POLICIES, decide
from autoscaler.values import Estimates, FailedBoots, Heard, Limits, Observation, Refusal

ROOT = Path(__file__).parents[4]
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
ALIVE = (InstanceState.PENDING, InstanceState.RUNNING)


def instances(count: int, state: InstanceState = InstanceState.RUNNING, ready: bool = True) -> tuple[Instance, ...]:
    heard_at = NOW if ready and state is not InstanceState.PENDING else None
    return tuple(Instance(f"{state}-{ready}-{n}", state, NOW - timedelta(minutes=5), heard_at) for n in range(count))


def seen(
    visible: int = 0,
    in_flight: int = 0,
    delayed: int = 0,
    fleet: tuple[Instance, ...] = (),
    counted_s_ago: float = 0,
    listed_s_ago: float = 0,
    **more: object,
) -> Observation:
    return Observation(
        at=NOW,
        depth=QueueDepth(visible, in_flight, delayed),
        counted_at=NOW - timedelta(seconds=counted_s_ago),
        fleet=fleet,
        listed_at=NOW - timedelta(seconds=listed_s_ago),
        **more,  # type: ignore[arg-type]
    )


fleets = st.builds(
    lambda pending, booting, running, draining: (
        instances(pending, InstanceState.PENDING)
        + instances(booting, InstanceState.RUNNING, ready=False)
        + instances(running, InstanceState.RUNNING)
        + instances(draining, InstanceState.DRAINING)
    ),
    *[st.integers(0, 25)] * 4,
)
ages = st.floats(0, 60)
past = st.floats(0, 3600).map(lambda seconds: NOW - timedelta(seconds=seconds))
estimates = st.builds(
    Estimates,
    ages_s=st.lists(st.floats(0, 200), max_size=9).map(lambda found: tuple(sorted(found, reverse=True))),
    arrival_rate=st.none() | st.floats(0, 200),
    service_rate=st.none() | st.floats(0.01, 100),
    boot_s=st.none() | st.floats(1, 120),
)
observations = st.builds(
    seen,
    *[st.integers(0, 5000)] * 3,
    fleets,
    ages,
    ages,
    estimates=estimates,
    heard=st.builds(Heard, since=st.none() | past, at=st.none() | past, worker_at=st.none() | past),
    failed_boots=st.none() | st.builds(FailedBoots, st.integers(1, 5), past),
    refusal=st.none() | st.builds(Refusal, st.just("no room"), past),
)
limits = st.builds(Limits, st.integers(1, 40), st.sampled_from(sorted(POLICIES)))


def test_instances_that_drain_hold_their_places_under_the_ceiling() -> None:
    leaving = tuple(replace(instance, state=InstanceState.DRAINING) for instance in instances(15))
    decision = decide(seen(visible=50, fleet=leaving), Limits(19))
    assert decision.launch == 4
    assert "15 that are draining count to the ceiling of 19" in decision.reason


@pytest.mark.parametrize(("counted_s_ago", "listed_s_ago", "word"), [(16, 0, "counts"), (0, 16, "list")])
def test_a_stale_observation_holds_and_says_which_part_is_stale(
    counted_s_ago: float, listed_s_ago: float, word: str
) -> None:
    stale = seen(visible=50, fleet=instances(2), counted_s_ago=counted_s_ago, listed_s_ago=listed_s_ago)
    decision = decide(stale, Limits(19))
    assert (decision.held, decision.desired, decision.launch, decision.drain) == (True, 2, 0, ())
    assert word in decision.reason
    assert "16 s" in decision.reason


@pytest.mark.parametrize(("failed", "ago_s", "launch"), [(1, 1.5, 0), (1, 2, 5), (5, 31, 0), (5, 32, 5), (99, 299, 0)])
def test_the_pause_doubles_with_each_instance_in_a_row_that_failed_to_boot(
    failed: int, ago_s: float, launch: int
) -> None:
    failing = seen(visible=5, failed_boots=FailedBoots(failed, NOW - timedelta(seconds=ago_s)))
    decision = decide(failing, Limits(19))
    assert (decision.launch, decision.held) == (launch, launch == 0)


def test_after_a_refused_launch_it_waits_and_says_why() -> None:
    refused = seen(visible=5, refusal=Refusal("no room in subnet-a", NOW - timedelta(seconds=10)))
    decision = decide(refused, Limits(19))
    assert (decision.launch, decision.held) == (0, True)
    assert decision.reason.endswith("but the last launch was refused: no room in subnet-a; next try in 20 s")
    later = seen(visible=5, refusal=Refusal("no room", NOW - timedelta(seconds=30)))
    assert decide(later, Limits(19)).launch == 5


def open_breaker(ago_s: float, probes: int = 0, probe: str = "") -> FailedBoots:
    last_at = NOW - timedelta(seconds=ago_s)
    return FailedBoots(3, last_at, tripped_at=last_at, probes=probes, probe=probe)


@pytest.mark.parametrize(
    ("probes", "ago_s", "launch"), [(0, 59, 0), (0, 61, 1), (3, 479, 0), (3, 481, 1), (50, 1799, 0), (50, 1801, 1)]
)
def test_while_the_breaker_is_open_one_alone_is_launched_after_a_pause_that_doubles(
    probes: int, ago_s: float, launch: int
) -> None:
    decision = decide(seen(visible=50, failed_boots=open_breaker(ago_s, probes)), Limits(19))
    assert (decision.launch, decision.paused) == (launch, launch == 0)


def test_one_alone_has_no_place_either_where_the_ceiling_leaves_none() -> None:
    full = instances(15, InstanceState.DRAINING) + instances(4)
    decision = decide(seen(visible=5000, fleet=full, failed_boots=open_breaker(9999)), Limits(19, "seed"))
    assert decision.launch == 0


def test_while_a_probe_is_waited_for_none_is_launched() -> None:
    decision = decide(seen(visible=50, failed_boots=open_breaker(9999, probe="i-1")), Limits(19))
    assert (decision.launch, decision.held, decision.paused) == (0, True, True)
    assert decision.reason.endswith("waiting for i-1 alone")


@pytest.mark.parametrize(("waited_for", "launch"), [(0, 2), (1, 1), (2, 0)])
def test_while_some_were_silent_for_a_boot_limit_few_are_waited_for_at_a_time(waited_for: int, launch: int) -> None:
    silent = replace(instances(1, ready=False)[0], id="silent")
    fleet = (*instances(1), silent, *instances(waited_for, InstanceState.PENDING))
    limits = Limits(ceiling=19, policy="seed")
    assert decide(seen(50, fleet=fleet), limits).launch > 2
    decision = decide(seen(50, fleet=fleet, given_up=frozenset({"silent"})), limits)
    assert decision.launch == launch
    assert "2 at a time, as boots before were never heard" in decision.reason


def test_a_pause_between_launches_is_no_pause_between_ends() -> None:
    stale = decide(seen(visible=50, counted_s_ago=16), Limits(19))
    refused = decide(seen(visible=50, refusal=Refusal("no room", NOW)), Limits(19))
    assert [(decision.held, decision.paused) for decision in (stale, refused)] == [(True, False), (True, True)]


def test_a_refusal_has_its_own_pause() -> None:
    refused = seen(visible=5, refusal=Refusal("throttled", NOW - timedelta(seconds=10), pause_s=120))
    assert decide(refused, Limits(19)).reason.endswith("throttled; next try in 110 s")


@given(observations, limits)
def test_it_stays_within_its_bounds(observation: Observation, limits: Limits) -> None:
    decision = decide(observation, limits)
    assert 0 <= decision.desired <= limits.ceiling
    assert decision.launch >= 0
    assert decision.launch == 0 or len(observation.fleet) + decision.launch <= limits.ceiling
    assert not (decision.launch and decision.drain)
    assert set(decision.drain) <= {instance.id for instance in observation.alive}
    assert decision.reason


@given(observations, limits, st.integers(0, 1000))
def test_more_backlog_never_means_fewer_instances(observation: Observation, limits: Limits, more: int) -> None:
    depth = observation.depth
    deeper = replace(observation, depth=replace(depth, visible=depth.visible + more))
    assert decide(deeper, limits).desired >= decide(observation, limits).desired


@given(observations, limits)
def test_it_never_asks_the_last_instance_to_leave(observation: Observation, limits: Limits) -> None:
    decision = decide(observation, limits)
    assert len(decision.drain) < max(1, len(observation.alive))


@given(observations, limits)
def test_it_asks_none_to_leave_whose_minute_is_paid_for(observation: Observation, limits: Limits) -> None:
    young = tuple(replace(one, launched_at=NOW - timedelta(seconds=limits.bill_s - 1)) for one in observation.fleet)
    assert decide(replace(observation, fleet=young), limits).drain == ()


@given(observations, limits)
def test_the_same_input_gets_the_same_answer(observation: Observation, limits: Limits) -> None:
    assert decide(observation, limits) == decide(observation, limits)


@given(fleets, limits)
def test_a_zero_from_sqs_alone_never_empties_the_fleet(fleet: tuple[Instance, ...], limits: Limits) -> None:
    decision = decide(seen(fleet=fleet), limits)
    assert len(decision.drain) < max(1, sum(instance.state in ALIVE for instance in fleet))


@pytest.mark.parametrize("module", ["policies", "seed", "deadline", "kept", "renewal"])
def test_a_policy_imports_nothing_that_could_tell_it_the_time_or_reach_the_world(module: str) -> None:
    allowed = {
        "__future__",
        "collections.abc",
        "dataclasses",
        "app.domain",
        "autoscaler.values",
        "autoscaler.policy.deadline",
        "autoscaler.policy.kept",
        "autoscaler.policy.renewal",
        "autoscaler.policy.seed",
    }
    tree = ast.parse((ROOT / "autoscaler" / "policy" / f"{module}.py").read_text())
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    names = {alias.name for node in imports if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "" for node in imports if isinstance(node, ast.ImportFrom)}
    assert names <= allowed
    called = {
        node.func.attr for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    }
    assert not called & {"now", "utcnow", "today"}


@pytest.mark.parametrize("forbidden", ["time", "boto3", "app.settings"])
def test_the_import_contract_catches_a_policy_that_reaches_out(forbidden: str, tmp_path: Path) -> None:
    for package in ("app", "tasks", "autoscaler", "web"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / ".importlinter", tmp_path)
    with (tmp_path / "autoscaler" / "policy" / "policies.py").open("a") as policy:
        policy.write(f"\nimport {forbidden}\n")
    command = [str(Path(sys.executable).with_name("lint-imports")), "--contract", "policy", "--no-cache"]
    lint = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert lint.returncode == 1, lint.stdout + lint.stderr
    assert f"autoscaler.policy.policies -> {forbidden}" in lint.stdout


def test_when_the_days_budget_is_used_up_nothing_is_launched_and_the_reason_says_so() -> None:
    within = Limits(19, budget_h=24.0)
    assert decide(seen(visible=5, spent_h=23.9), within).launch == 5
    decision = decide(seen(visible=5, spent_h=24.0), within)
    assert (decision.launch, decision.held, decision.paused) == (0, True, True)
    assert "the day's 24 instance-hours (ELASTIQ_DAILY_BUDGET) are used up" in decision.reason
    assert decide(seen(visible=5, spent_h=24.0), Limits(19)).launch == 5
