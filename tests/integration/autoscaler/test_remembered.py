"""What was measured of workers, on a real bucket: the next autoscaler begins with it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from app import aws
from app.local.registry import Registry
from app.settings import Ec2Settings, Settings
from app.speed import Speed
from autoscaler.built import ANOTHER
from autoscaler.remembered import EVERY_S, KEY, MOST_KINDS, Remembered
from autoscaler.values import UNSURE, Estimates, Limits
from tests.support.autoscaler import autoscaler, submit, wait_for_event
from tests.support.clock import Clock
from tests.support.records import records

LIMITS = Limits(19, "deadline")
MEASURED = Estimates(service_rate=20.0, boot_s=41.0)


@pytest.fixture
def clock() -> Clock:
    return Clock(1_800_000_000.0)


@pytest.fixture
def config(config: Settings, tmp_path: Path) -> Settings:
    """Settings of a fleet on EC2, whose model nobody has measured."""
    engine = replace(config.engine, model_dir=str(tmp_path))
    return replace(config, engine=engine, ec2=Ec2Settings(launch_template="lt-1", instance_types="c7i.large"))


def kept(config: Settings) -> dict[str, dict[str, float]]:
    body = aws.client("s3", config.aws).get_object(Bucket=config.buckets.output, Key=KEY)["Body"]
    return dict(json.loads(body.read()))


def test_the_first_autoscaler_is_unsure_and_the_next_one_begins_with_what_it_measured(
    config: Settings, clock: Clock
) -> None:
    first = Remembered(config, clock)
    assert first.within(LIMITS) == replace(LIMITS, unsure=UNSURE)
    first.note(Estimates())
    first.note(MEASURED)
    assert Remembered(config, clock).within(LIMITS) == replace(LIMITS, service_rate=20.0, boot_s=41.0)


def test_where_nothing_was_measured_of_instances_the_model_s_build_is_believed(config: Settings, clock: Clock) -> None:
    folder = config.models / config.engine.model
    folder.mkdir()
    Speed(16.0, "fp32", "A laptop's").write(folder)
    assert Remembered(config, clock).within(LIMITS) == replace(LIMITS, service_rate=100.0, unsure=ANOTHER)
    Remembered(config, clock).note(MEASURED)
    assert Remembered(config, clock).within(LIMITS) == replace(LIMITS, service_rate=20.0, boot_s=41.0)


def test_another_model_or_instance_type_has_rates_of_its_own(config: Settings, clock: Clock) -> None:
    Remembered(config, clock).note(MEASURED)
    other = replace(config, engine=replace(config.engine, model="resnet18"))
    elsewhere = replace(config, ec2=replace(config.ec2, instance_types="c7g.large"))
    for stranger in (other, elsewhere):
        remembered = Remembered(stranger, clock)
        assert remembered.within(LIMITS).unsure == UNSURE
        remembered.note(replace(MEASURED, service_rate=1.0))
    assert Remembered(config, clock).within(LIMITS).service_rate == 20.0
    assert len(kept(config)) == 3


def test_only_news_is_written_and_not_more_often_than_once_a_minute(config: Settings, clock: Clock) -> None:
    remembered = Remembered(config, clock)

    def rate_after(rate: float, wait_s: float) -> float:
        clock.now += wait_s
        remembered.note(replace(MEASURED, service_rate=rate))
        return kept(config)[remembered.kind]["service_rate"]

    rates = [rate_after(20.0, 0), rate_after(30.0, 1), rate_after(30.0, EVERY_S), rate_after(31.0, EVERY_S)]
    assert rates == [20.0, 20.0, 30.0, 30.0]


@pytest.mark.parametrize(
    "there",
    [b"", b"[1]", b"\x00\xff", b'{"KIND": 5}', b'{"KIND": {"service_rate": -1}}', b'{"KIND": {"service_rate": NaN}}'],
)
def test_what_is_no_rates_is_nothing_and_is_written_anew(config: Settings, clock: Clock, there: bytes) -> None:
    remembered = Remembered(config, clock)
    body = there.replace(b"KIND", remembered.kind.encode())
    aws.client("s3", config.aws).put_object(Bucket=config.buckets.output, Key=KEY, Body=body)
    assert remembered.within(LIMITS).unsure == UNSURE
    remembered.note(MEASURED)
    assert kept(config)[remembered.kind]["service_rate"] == 20.0


def test_on_one_machine_too_many_instances_cost_nothing(config: Settings, clock: Clock) -> None:
    local = replace(config, ec2=replace(config.ec2, launch_template=""))
    assert Remembered(local, clock).within(LIMITS) == LIMITS


def test_the_oldest_kinds_make_room(config: Settings, clock: Clock) -> None:
    many = {f"kind {n}": {"service_rate": 1.0} for n in range(MOST_KINDS)}
    aws.client("s3", config.aws).put_object(Bucket=config.buckets.output, Key=KEY, Body=json.dumps(many).encode())
    remembered = Remembered(config, clock)
    remembered.note(MEASURED)
    assert len(kept(config)) == MOST_KINDS
    assert "kind 0" not in kept(config)


def test_a_bucket_that_does_not_answer_costs_nothing_but_the_memory(config: Settings, clock: Clock) -> None:
    missing = replace(config, buckets=replace(config.buckets, output="no-such-bucket"))
    remembered = Remembered(missing, clock)
    assert remembered.within(LIMITS).unsure == UNSURE
    remembered.note(MEASURED)


@pytest.mark.parametrize(("rate", "launched"), [(0.1, 2), (1000.0, 1)])
def test_an_autoscaler_launches_by_what_the_one_before_it_measured(
    environment: dict[str, str], registry: Registry, tmp_path: Path, rate: float, launched: int
) -> None:
    here = {**environment, "ELASTIQ_MAX_INSTANCES": "2", "ELASTIQ_MODEL_DIR": str(tmp_path / "none")}
    before = Remembered(Settings.from_environment(here))
    before.note(Estimates(service_rate=rate, boot_s=2.0))
    submit(here, 60)
    log = tmp_path / "autoscaler.log"
    with autoscaler(here, log):
        out = wait_for_event(log, "scaled_out")[0]
    (remembered,) = records(log, "rates_remembered")
    assert remembered["rate"] == rate
    assert out["desired"] == launched, out["reason"]
