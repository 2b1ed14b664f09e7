"""A web process that is killed begins anew with what the autoscaler has kept, as does another beside it."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from structlog.testing import capture_logs

from app import aws
from app.announcements import ImageFailed, Said
from app.domain import CallCounts, Failure, FleetCost
from app.hour.hour import KEY
from app.settings import Settings
from autoscaler.chronicle import Chronicle
from tests.support.clock import Clock
from tests.support.fleet import announcer, decision, wait_for_listener
from tests.support.waiting import wait_for
from tests.support.web import Site
from web.fleet.costs import Costs
from web.fleet.feed import FleetFeed
from web.fleet.recall import LOOKS, Recall

ID = "20261128T101112123Z-0a1b2c3d"


def cost(total_usd: float) -> FleetCost:
    return FleetCost(0.5, 0.0, total_usd, "c7i.large", each=(("i-0aaa", 0.125),))


def keep(config: Settings, clock: Callable[[], float], desired: int = 2) -> None:
    """Have an autoscaler keep an hour with three machines, a failure, and a batch that has cost 25 cents."""
    chronicle = Chronicle(config, "host:1", clock)
    chronicle.share(cost(0.0), idle=False)
    failed = ImageFailed(Failure.of(f"{ID}/1.jpg", "cut short"))
    for what in (decision(desired=desired, cost=cost(0.25)), failed):
        chronicle.hear(Said(what, "host:1", clock()))
    chronicle.share(cost(0.25), idle=False)
    chronicle.note()


def told(site: Site) -> tuple[Any, ...]:
    """Return what the site knows that it did not hear itself."""
    fleet = site.fleet()
    batch = site.get(f"/api/batches/{ID}/cost").json()["cost"]
    bars = {bar["id"]: (bar["number"], bar["usd"]) for bar in fleet["timeline"]}
    decisions = [one["desired"] for one in fleet["decisions"]]
    return bars, decisions, [one["reason"] for one in fleet["failures"]], len(fleet["history"]), batch


def test_a_web_process_that_is_killed_and_started_again_knows_the_hour_and_what_a_batch_cost(
    serve: Callable[..., Site],
) -> None:
    site = serve()
    wait_for_listener(site.config)
    with announcer(site.config) as announce:
        announce.say(decision(cost=cost(0.25)))
        announce.say(ImageFailed(Failure.of(f"{ID}/1.jpg", "cut short")), "i-0aaa@host")
        wait_for(lambda: site.fleet()["failures"], 20)
    now = site.fleet()["now"]
    keep(site.config, lambda: now)
    os.killpg(site.process.pid, signal.SIGKILL)
    site.process.wait(20)
    site.http.clear()
    site.start()
    bars = {"i-0aaa": (1, 0.125), "i-0bbb": (2, None), "i-0ccc": (3, None)}
    cents = {"usd": 0.25, "images": 1, "thousand_images_usd": 250.0}
    expected = (bars, [2], ["cut short"], 1, cents)
    wait_for(lambda: told(site) == expected, 30, lambda: told(site))


def adopting(config: Settings, clock: Clock) -> tuple[FleetFeed, Costs, list[float], Recall]:
    fleet, costs, waits = FleetFeed(clock), Costs(CallCounts, lambda _: None), []
    return fleet, costs, waits, Recall(config, fleet, costs, lambda seconds: waits.append(seconds))  # type: ignore[func-returns-value]


def test_it_is_read_again_until_it_reaches_to_the_beginning_and_not_for_ever(config: Settings) -> None:
    clock = Clock(1_800_000_000.0)
    fleet, costs, waits, recall = adopting(config, clock)
    recall.run()
    assert len(waits) == LOOKS, "there is none"
    keep(config, Clock(clock.now - 30))
    assert not recall.look(), "something may have come since"
    keep(config, Clock(clock.now + 30), desired=7)
    waits.clear()
    recall.run()
    assert waits == []
    assert costs.of_batch(ID) == {"usd": 0.25, "images": 1, "thousand_images_usd": 250.0}
    assert len(fleet.view()["timeline"]) == 3


def test_what_is_none_or_cannot_be_read_is_said_and_costs_nothing(config: Settings) -> None:
    gone = replace(config, buckets=replace(config.buckets, output="elastiq-nobodys"))
    aws.client("s3", config.aws).put_object(Bucket=config.buckets.output, Key=KEY, Body=b"[7]")
    for settings in (config, gone):
        fleet, _, _, recall = adopting(settings, Clock(1_800_000_000.0))
        with capture_logs() as logs:
            assert not recall.look()
        assert [record["event"] for record in logs] == ["hour_unknown"]
        assert fleet.view()["timeline"] == []
