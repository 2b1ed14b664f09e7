"""The page of a campaign says what its report says, and shows it."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from tests.campaign import report
from tests.campaign.gauges import Sample
from tests.campaign.law import Verdict
from tests.campaign.page import page
from tests.campaign.plan import Trouble

RESTED = {**dict.fromkeys(("without_outcome", "messages", "workers", "clients"), 0), "listeners": [], "processes": []}


def made(verdict: Verdict, **rest: Any) -> Mapping[str, Any]:
    """Return a report of a minute with one fault."""
    samples = [Sample(1000.0 + n, {"web-0 7": (100.0 + 10 * n, 9, 20, 1)}, (n, 1, 0), 0, 1, 2) for n in range(30)]
    return report.made(
        argparse.Namespace(minutes=1, seed=3), 1000.0, verdict, [Trouble(("web <killed>",), 1005.0, 1010.0)], samples,
        rest={**RESTED, **rest},
        stops={}, sent={"api": 2}, starts={"web-0": 1}, met={},
        stored=[("/out/b/1.jpg.txt", 1008.0), ("/out/b/1.jpg.txt", 1009.0)],
    )  # fmt: skip


def test_a_report_has_the_recovery_from_each_fault_what_was_repeated_and_what_grew() -> None:
    found = made(Verdict(accepted=1, delays={"b/1.jpg": (1004.0, 1022.0)}))

    assert found["kept"]
    assert found["repeats"] == {"web <killed>": 1}
    assert found["recovery"]["by_fault_s"] == {"web <killed>": [0]}
    assert found["growth"]["web-0 7"] == {"early": [245, 9, 20, 1], "late": [345, 9, 20, 1], "grown": True}


def test_the_page_says_that_the_law_was_kept_and_names_every_fault_safely() -> None:
    text = page(made(Verdict(accepted=1, delays={"b/1.jpg": (1004.0, 1005.0)})))

    assert "The law was kept" in text
    assert "web &lt;killed&gt;" in text
    assert "<killed>" not in text


def test_the_page_says_what_broke_the_law() -> None:
    text = page(made(Verdict(lost=["b/2.jpg"], wrong=["b/3.jpg: tabby, and not espresso"]), messages=4))

    assert "The law was broken" in text
    assert all(one in text for one in ("lost: b/2.jpg", "tabby, and not espresso", "left over: 4 messages in the task"))
