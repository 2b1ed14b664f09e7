"""What traffic costs a month."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from app.errors import ConfigurationError
from app.prices import prices
from autoscaler.simulator.plan import LATE, TARGETS_S, Offer, Plan, offers, plans, words

CHEAP, DEAR = Offer("small", 0.1, 2.0), Offer("large", 0.5, 2.0)


def test_each_known_type_has_a_price_and_a_rate_which_may_be_given() -> None:
    assert len(offers()) >= 2
    assert all(offer.price == prices().host_hour(offer.type, 8) for offer in offers())
    assert all(offer.price > 0 and offer.rate > 0 for offer in offers())
    assert {offer.rate for offer in offers(7.0)} == {7.0}
    with pytest.raises(ConfigurationError, match="no rate"):
        offers(float("nan"))


def test_a_month_is_the_trace_again_and_again_at_the_price_of_what_is_billed() -> None:
    arrivals = [n / 4 for n in range(4 * 600)]  # two instances' work
    found = plans(arrivals, 600.0, [CHEAP, DEAR])
    assert [plan.target_s for plan in found] == [*TARGETS_S, *TARGETS_S]
    cheap, dear = found[1], found[len(TARGETS_S) + 1]
    assert dear.monthly == pytest.approx(5 * cheap.monthly)
    assert 730 * 0.1 * 2 <= cheap.monthly < 2.5 * 730 * 0.1 * 2


def test_the_answer_names_the_cheapest_that_is_in_time_and_shows_the_rest() -> None:
    late, dear = Plan(CHEAP, 30.0, 10.0, 2 * LATE, 40.0), Plan(DEAR, 60.0, 50.0, 0.0, 20.0)
    said = words([late, dear])
    assert said.startswith("Cheapest with 99.9 % in time: large with ELASTIQ_TARGET_SECONDS=60, $50.00 a month.")
    assert "small, target 30 s: $10.00 a month, 0.2 % late, 95 % within 40 s" in said
    assert f"{prices().region}, {prices().as_of}" in said
    assert words([late]).startswith("No plan has 99.9 % in time")


def test_the_command_answers_for_a_trace(tmp_path: Path) -> None:
    trace = tmp_path / "trace.csv"
    trace.write_text("second,requests\n0,60\n60,60\n")
    command = [sys.executable, "-m", "app.cli", "plan", str(trace), "--rate", "2"]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert "a month" in ran.stdout.splitlines()[0]
    trace.write_text("nonsense")
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert ran.returncode == 2
    assert "its first line must be" in ran.stderr
