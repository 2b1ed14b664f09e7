"""What AWS charges: each price has its source, and sums are sums."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest

from app.deploy.deploy import cost
from app.domain import CallCounts
from app.errors import ConfigurationError
from app.prices import (
    ALARMS,
    DISK_GIB,
    FILE,
    IDLE_CALLS_HOUR,
    METRICS,
    MONTH_H,
    TAKEN_FOR,
    WORKERS,
    prices,
    tables,
)
from autoscaler.leader import RESTING_RENEW_S
from autoscaler.sweep.ended import EVERY_S
from tests.support import template
from tests.unit.test_repository import ROOT
from web.sources.runner import LOOK_S


def test_each_price_has_a_source_and_all_have_a_region_and_a_month() -> None:
    data = json.loads(FILE.read_bytes())

    assert all(rate["source"] and rate["usd"] > 0 for rate in data["rates"].values())
    assert data["instance_hours"]["source"]
    assert re.fullmatch(r"20\d\d-\d\d", prices().as_of)
    assert prices().sources.keys() == {*prices().rates, "instance_hours", "spot_share"}


def test_a_spot_instance_costs_its_share_of_one_on_demand() -> None:
    assert prices().instance_hour("c7i.large", spot=True) == pytest.approx(
        prices().instance_hour("c7i.large") * prices().spot_share
    )


def test_a_host_costs_its_instance_its_disk_and_its_address() -> None:
    known = prices()

    extra = known.host_hour("t3.small", 8) - known.instance_hour("t3.small")
    assert extra == pytest.approx(8 * known.rates["disk_gib_month"] / MONTH_H + known.rates["address_hour"])


def test_the_document_has_the_tables_that_the_command_prints() -> None:
    ran = subprocess.run([sys.executable, "-m", "app.prices"], capture_output=True, text=True, check=True)

    text = (ROOT / "docs/cost.md").read_text()
    printed = ran.stdout.strip().split("\n\n")
    assert len(printed) == 5
    assert not [table for table in printed if table not in text]


def test_the_document_has_no_row_that_the_command_does_not_print() -> None:
    rows = re.findall(r"^\|.*\|$", (ROOT / "docs/cost.md").read_text(), re.MULTILINE)

    assert rows == [line for line in tables().splitlines() if line]


def test_what_an_idle_month_costs_is_what_deploying_tells() -> None:
    month = sum(prices().idle_month().values())

    assert cost({})[0].startswith(f"idle: about ${month:.2f} a month")
    assert sum(prices().idle_month(public=True).values()) == pytest.approx(
        month + prices().rates["balancer_hour"] * MONTH_H
    )


def test_the_lease_and_the_looks_for_batches_that_end_or_were_left_are_paid_for_as_often_as_they_are_made() -> None:
    at_rest = 3600 / RESTING_RENEW_S + 2 * 3600 / EVERY_S + 3600 / LOOK_S

    assert at_rest <= IDLE_CALLS_HOUR["s3_put"] <= 1.2 * at_rest


def test_a_busy_host_is_paid_for_the_time_that_its_images_take() -> None:
    known = prices()

    hours = 1e6 * 20 / 1000 / 2 / 3600
    assert known.million_images("c7i.large", 20, spot=False) == pytest.approx(hours * known.host_hour("c7i.large", 8))


def test_every_worker_type_of_the_template_has_a_price_and_a_row() -> None:
    of = template.load()["Mappings"]["Of"]

    assert {type for architecture in of.values() for type in architecture["Types"].split(",")} == set(WORKERS)
    assert {architecture["Control"] for architecture in of.values()} <= prices().instance_hours.keys()


def test_the_alarms_and_metrics_that_are_paid_for_are_the_template_s() -> None:
    assert len(template.resources("AWS::CloudWatch::Alarm")) == ALARMS
    assert len(template.resources("AWS::Logs::MetricFilter")) == METRICS


def test_what_is_confirmed_is_a_price_of_the_file() -> None:
    assert prices().confirmed.keys() <= {*prices().rates, *prices().instance_hours}


def test_an_unknown_type_says_where_its_price_goes() -> None:
    with pytest.raises(ConfigurationError, match=r"app/prices\.json has no price of x99\.huge"):
        prices().instance_hour("x99.huge")


def test_a_worker_s_hour_is_that_of_its_type_of_what_it_is_taken_for_or_what_somebody_said() -> None:
    known = prices()
    assert known.worker_hour("c7g.large", spot=True) == known.host_hour("c7g.large", DISK_GIB, spot=True)
    assert known.worker_hour("", spot=False) == known.host_hour(TAKEN_FOR, DISK_GIB)
    assert known.worker_hour("c7g.large", spot=True, given=0.5) == 0.5


def test_calls_cost_what_the_file_says_of_each() -> None:
    assert prices().of_calls(CallCounts(1_000_000, 1_000_000, 1_000_000, 1_000_000)) == pytest.approx(6.3)
