"""What AWS charges: each price has its source, and sums are sums."""

from __future__ import annotations

import json
import re

import pytest

from app.deploy.deploy import cost
from app.errors import ConfigurationError
from app.prices import FILE, MONTH_H, prices
from tests.unit.test_docs import section


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


def test_a_million_images_cost_what_the_document_says() -> None:
    text = section("deploy.md", "What it costs")
    rows = re.findall(r"^\| `([\w.]+)` \| ([\d.]+) \| ([\d.]+) \|$", text, re.MULTILINE)

    assert rows
    for type, on_demand, spot in rows:
        assert f"{prices().million_images(type, 20, spot=False):.2f}" == on_demand
        assert f"{prices().million_images(type, 20, spot=True):.2f}" == spot
    for service, dollars in prices().million_images_calls().items():
        assert f"{service} {dollars:.2f}" in text


def test_what_it_costs_idle_is_what_the_document_says() -> None:
    said = cost({})

    assert re.search(r"idle: about (\$[\d.]+) a month", said[0])[1] in section("deploy.md", "What it costs")  # type: ignore[index]


def test_an_unknown_type_says_where_its_price_goes() -> None:
    with pytest.raises(ConfigurationError, match=r"app/prices\.json has no price of x99\.huge"):
        prices().instance_hour("x99.huge")
