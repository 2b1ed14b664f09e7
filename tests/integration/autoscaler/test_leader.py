"""One autoscaler acts at a time: the lease, on a real bucket, and two real processes."""

from __future__ import annotations

import json
import signal
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from app import aws
from app.local.registry import Registry
from app.settings import Settings
from autoscaler.leader import (
    KEY,
    LEASE_S,
    LOOK_S,
    MARGIN_S,
    RENEW_S,
    RESOLUTION_S,
    RESTING_LEASE_S,
    RESTING_RENEW_S,
    Leader,
    read,
)
from tests.support.autoscaler import autoscaler, end_instances, submit, wait_for_event
from tests.support.clock import Clock
from tests.support.fault_proxy import FaultProxy
from tests.support.records import records
from tests.support.waiting import wait_for

ACTS_S = LEASE_S - MARGIN_S


@pytest.fixture
def clock() -> Clock:
    return Clock(1_800_000_000.0)


@pytest.fixture
def behind_proxy(config: Settings, proxy: FaultProxy) -> Settings:
    return replace(config, aws=replace(config.aws, endpoint_url=proxy.endpoint_url))


def test_the_first_who_tries_leads_and_the_second_does_not(config: Settings) -> None:
    first, second = Leader(config, "first"), Leader(config, "second")
    for leader in (first, second, first, second):
        leader.step()
    assert (first.leads(), second.leads()) == (True, False)


@pytest.mark.parametrize("there", [b"", b'{"mark": ""}'], ids=["no lease", "a lease that was given up"])
def test_of_many_who_try_at_once_one_leads(config: Settings, there: bytes) -> None:
    if there:
        aws.client("s3", config.aws).put_object(Bucket=config.buckets.output, Key=KEY, Body=there)
    leaders = [Leader(config, str(n)) for n in range(8)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda leader: leader.step(), leaders))
    assert sum(leader.leads() for leader in leaders) == 1


def test_a_leader_that_stops_lets_the_next_one_lead_at_once(config: Settings) -> None:
    first, second = Leader(config, "first"), Leader(config, "second")
    first.start()
    second.step()
    assert not second.leads()
    first.stop()
    second.step()
    assert (first.leads(), second.leads()) == (False, True)


def test_a_leader_that_cannot_renew_stops_acting_before_its_lease_can_be_taken(
    behind_proxy: Settings, proxy: FaultProxy, clock: Clock
) -> None:
    leader = Leader(behind_proxy, "first", clock)
    leader.step()
    proxy.fault("PutObject", "500")
    clock.now += ACTS_S - 1
    leader.step()
    assert leader.leads()
    clock.now += 1
    assert not leader.leads()
    assert MARGIN_S > 0, "between the two, what it had begun may end"


def test_a_standby_has_taken_over_within_15_seconds() -> None:
    assert LEASE_S + RESOLUTION_S + LOOK_S < 15


def test_while_it_rests_it_may_act_for_longer(config: Settings, clock: Clock) -> None:
    leader = Leader(config, "first", clock)
    leader.rest(True)
    leader.step()
    clock.now += RESTING_LEASE_S - MARGIN_S - 1
    assert leader.leads()
    clock.now += 1
    assert not leader.leads()
    assert RESTING_RENEW_S * 2 < RESTING_LEASE_S - MARGIN_S, "one renewal may fail"


@pytest.mark.parametrize(
    ("text", "age_s", "free"),
    [
        (b'{"mark": "first", "lasts_s": 60}', LEASE_S + 10, False),
        (b'{"mark": "first", "lasts_s": 60}', RESTING_LEASE_S + 2, True),
        (b'{"mark": "first", "lasts_s": 10}', LEASE_S, False),
        (b'{"mark": "first"}', LEASE_S + 2, True),
        (b'{"mark": "first", "lasts_s": 9e9}', RESTING_LEASE_S + 2, True),
        (b'{"mark": "first", "lasts_s": "long"}', LEASE_S + 2, True),
    ],
)
def test_a_standby_heeds_how_long_a_lease_lasts_within_bounds(text: bytes, age_s: float, free: bool) -> None:
    assert read(text, "etag", age_s).free_to("second") is free


def test_work_ends_a_rest_at_once(config: Settings) -> None:
    leader = Leader(config, "first")
    leader.rest(True)
    leader.start()
    s3 = aws.client("s3", config.aws)

    def lasts_s() -> float:
        body = s3.get_object(Bucket=config.buckets.output, Key=KEY)["Body"].read()
        return float(json.loads(body)["lasts_s"])

    assert lasts_s() == RESTING_LEASE_S
    leader.rest(False)
    wait_for(lambda: lasts_s() == LEASE_S, RESTING_RENEW_S / 2)
    assert leader.leads()
    leader.stop()
    assert RENEW_S < RESTING_RENEW_S


def test_a_renewal_whose_answer_was_lost_costs_nobody_the_lead(
    behind_proxy: Settings, proxy: FaultProxy, clock: Clock
) -> None:
    leader = Leader(behind_proxy, "first", clock)
    leader.step()
    proxy.fault("PutObject", "lost")
    clock.now += 3
    leader.step()
    proxy.mend()
    clock.now += 3
    leader.step()
    clock.now += ACTS_S - 1
    assert leader.leads()


def test_a_leader_whose_lease_another_has_taken_leads_no_more(config: Settings, clock: Clock) -> None:
    first = Leader(config, "first", clock)
    first.step()
    aws.client("s3", config.aws).put_object(Bucket=config.buckets.output, Key=KEY, Body=b'{"mark": "another"}')
    first.step()
    assert not first.leads()


def test_where_the_lease_cannot_be_had_that_is_said_once(behind_proxy: Settings, proxy: FaultProxy) -> None:
    for call in ("GetObject", "PutObject"):
        proxy.fault(call, "503")
    leader = Leader(behind_proxy, "first")
    with capture_logs() as logs:
        for _ in range(3):
            leader.step()
    assert [entry["event"] for entry in logs] == ["lease_failed"]
    assert not leader.leads()


@pytest.mark.parametrize("body", [b"", b"[]", b"\xff\xfe", b"[" * 100_000], ids=["nothing", "list", "binary", "deep"])
def test_a_lease_that_nobody_can_read_is_another_s_until_it_is_old(config: Settings, body: bytes) -> None:
    aws.client("s3", config.aws).put_object(Bucket=config.buckets.output, Key=KEY, Body=body)
    leader = Leader(config, "first")
    with capture_logs() as logs:
        leader.step()
    assert (leader.leads(), logs) == (False, [])


@pytest.mark.slow
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGSTOP])
def test_a_standby_takes_over_from_a_leader_that_is_killed_or_stopped_and_is_the_only_one_to_act(
    environment: dict[str, str], tmp_path: Path, end: signal.Signals
) -> None:
    config = {**environment, "ELASTIQ_MAX_INSTANCES": "1", "ELASTIQ_IDLE_SECONDS": "0"}
    logs = [tmp_path / "first.log", tmp_path / "second.log"]
    registry = Registry(Path(environment["ELASTIQ_DATA_DIR"]) / "run")
    with ExitStack() as stack:
        stack.callback(end_instances, registry)
        first = stack.enter_context(autoscaler(config, logs[0]))
        wait_for_event(logs[0], "leading")
        stack.enter_context(autoscaler(config, logs[1]))
        wait_for_event(logs[1], "standing_by")
        submit(config, 1)
        wait_for_event(logs[0], "scaled_out")
        assert not records(logs[1], "scaled_out")
        first.send_signal(end)
        wait_for_event(logs[1], "leading")
        # The instance goes as well, and more work comes: somebody has to launch, and one alone.
        end_instances(registry)
        if end is signal.SIGSTOP:
            first.send_signal(signal.SIGCONT)
            wait_for_event(logs[0], "leadership_lost")
        submit(config, 1, batch="more")
        wait_for_event(logs[1], "scaled_out")
    assert len(records(logs[0], "scaled_out")) == 1


def test_a_stopped_autoscaler_leaves_the_lease_to_the_next(environment: dict[str, str], tmp_path: Path) -> None:
    logs = [tmp_path / "first.log", tmp_path / "second.log"]
    with autoscaler(environment, logs[0]) as first:
        wait_for_event(logs[0], "leading")
        first.send_signal(signal.SIGTERM)
        assert first.wait(20) == 0
    with autoscaler(environment, logs[1]) as second:
        wait_for_event(logs[1], "leading")
        assert second.poll() is None
        assert not records(logs[1], "standing_by")


def test_the_lease_says_who_holds_it(config: Settings) -> None:
    Leader(config, "host:4711").step()
    body = aws.client("s3", config.aws).get_object(Bucket=config.buckets.output, Key=KEY)["Body"].read()
    assert b'"leader": "host:4711"' in body
