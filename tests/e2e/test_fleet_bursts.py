"""The whole system under bursts, with real processes: the fleet grows, drains while work goes on, and goes."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from app import aws
from app.settings import EngineSettings
from app.speed import AROUND_MS, Speed, processor
from autoscaler.remembered import KEY
from tests.conftest import models
from tests.support.stack import TIMEOUT_S, Stack, stack
from tests.support.waiting import wait_for

CEILING = 19
BURSTS = (100, 200, 600)
MODEL = EngineSettings().model


@pytest.fixture
def slow_models(tmp_path: Path) -> Path:
    """The built models, whose build is said to have found that an instance does two images a second."""
    folder = tmp_path / "models" / MODEL
    folder.mkdir(parents=True)
    for path in (models() / MODEL).iterdir():
        (folder / path.name).symlink_to(path.resolve())
    Speed(500 * len(os.sched_getaffinity(0)) - AROUND_MS, "fp32", processor()).write(folder)
    return folder.parent


@pytest.fixture
def running(tmp_path: Path, slow_models: Path) -> Iterator[Stack]:
    """Everything on one machine, whose instances may be asked to leave before a minute is over."""
    settings = {
        "ELASTIQ_MODEL_DIR": str(slow_models),
        "ELASTIQ_QUEUE": "bursts",
        "ELASTIQ_MAX_INSTANCES": str(CEILING),
        "ELASTIQ_MIN_BILLED_SECONDS": "5",
        "ELASTIQ_IDLE_SECONDS": "8",
    }
    with stack(tmp_path / "data", **settings) as running:
        yield running


def ids(records: list[dict[str, object]], field: str) -> list[str]:
    found = [record[field] for record in records]
    return [str(id) for some in found if isinstance(some, list) for id in some]


def remembered(running: Stack) -> dict[str, float]:
    """Return the rates that are kept, of the one kind of instance that there is."""
    settings = running.settings()
    s3 = aws.client("s3", settings.aws)
    if KEY not in {
        item["Key"] for item in s3.list_objects_v2(Bucket=settings.buckets.output, Prefix=KEY).get("Contents", [])
    }:
        return {"service_rate": 0}  # it is kept once a minute
    body = s3.get_object(Bucket=settings.buckets.output, Key=KEY)["Body"]
    (rates,) = json.loads(body.read()).values()
    return dict(rates)


@pytest.mark.slow
def test_900_images_in_three_bursts_are_each_done_once_by_a_fleet_that_grows_drains_and_goes(running: Stack) -> None:
    keys: dict[str, list[str]] = {}
    for number, images in enumerate(BURSTS):
        batch = f"burst-{number}"
        keys[batch] = running.submit(batch, images)
        # The next one comes while this one is at work.
        wait_for(
            lambda batch=batch: len(running.results(batch)) >= len(keys[batch]) // 2, TIMEOUT_S, lambda: running.said
        )
    for batch in keys:
        running.wait_for_results(batch, keys[batch])
    running.wait_until_no_instance_is_left()

    done = running.times_done()
    assert {key: done[key] for batch in keys.values() for key in batch if done[key] != 1} == {}
    assert sum(done.values()) == sum(BURSTS)

    out = running.records("autoscaler", "scaled_out")
    launched, drained = ids(out, "launched"), ids(running.records("autoscaler", "drain_asked"), "instances")
    assert 2 <= len(launched) <= CEILING * len(BURSTS)
    assert all(int(str(record["desired"])) <= CEILING for record in out)
    assert drained, "no instance was asked to leave"
    assert set(drained) <= set(launched)
    assert all("worker_leaving" in running.log(instance) for instance in drained)
    # The next autoscaler begins with what this one measured.
    wait_for(lambda: remembered(running)["service_rate"] > 0, TIMEOUT_S)
    for bad in ("instance_failed", "orphans_terminated", "step_failed"):
        assert running.records("autoscaler", bad) == []
