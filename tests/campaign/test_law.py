"""The law finds what breaks it: a check that cannot fail proves nothing."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from app.domain import Classification, Failure, Prediction
from app.local import EmbeddedCloud
from app.settings import Settings
from app.storage import Storage
from tests.campaign import law
from tests.campaign.ledger import Entry, Ledger
from tests.campaign.system import System

LABELS = {"cat.jpg": "tabby", "cup.jpg": "espresso"}


@pytest.fixture
def system(cloud: EmbeddedCloud, config: Settings) -> System:
    """What the law asks of a system: its buckets."""
    return cast("System", SimpleNamespace(cloud=cloud, settings=config, clocks=SimpleNamespace(real=float)))


def save(system: System, key: str, label: str) -> None:
    Storage(system.settings).save(Classification.of(key, [Prediction(label, 0.9)], "test"))


def accepted(key: str) -> Entry:
    return Entry(1.0, "accepted", "api", key, key.rsplit("/", 1)[-1])


def test_what_was_accepted_and_is_labelled_as_it_should_be_keeps_it(system: System) -> None:
    save(system, "b/cat.jpg", "tabby")
    told = Entry(2.0, "told", "course", "", "cat.jpg", "tabby")

    verdict = law.judge(system, [accepted("b/cat.jpg"), told], LABELS)

    assert verdict.kept()
    assert verdict.accepted == 2
    assert law.outstanding(system, [accepted("b/cat.jpg"), accepted("b/cup.jpg")]) == {"b/cup.jpg"}


def test_a_lost_image_breaks_it(system: System) -> None:
    assert law.judge(system, [accepted("b/cat.jpg")], LABELS).lost == ["b/cat.jpg"]


def test_a_photograph_with_another_label_or_a_failure_breaks_it(system: System) -> None:
    save(system, "b/cat.jpg", "espresso")
    Storage(system.settings).save(Failure.of("b/cup.jpg", "the file is empty"))

    verdict = law.judge(system, [accepted("b/cat.jpg"), accepted("b/cup.jpg")], LABELS)

    assert len(verdict.wrong) == 2
    assert not verdict.kept()


def test_two_outcomes_of_one_image_break_it(system: System) -> None:
    save(system, "b/cat.jpg", "tabby")
    Storage(system.settings).save(Failure.of("b/cat.jpg", "it was lost"))

    assert law.judge(system, [accepted("b/cat.jpg")], LABELS).twofold == ["b/cat.jpg"]


def test_a_client_that_was_told_another_label_breaks_it(system: System) -> None:
    told = Entry(2.0, "told", "course", "", "cat.jpg", "espresso")

    assert len(law.judge(system, [told], LABELS).mistold) == 1


def test_recovery_is_when_nothing_old_waits_any_more() -> None:
    prompt = [(float(at), at + 1.0) for at in range(100, 200)]

    assert law.recovery_s(prompt, 120.0, 150.0) == 0
    assert law.recovery_s([*prompt, (120.0, 180.0)], 120.0, 150.0) == 30
    assert law.recovery_s([*prompt, (120.0, 5000.0)], 120.0, 150.0) is None


def test_what_waited_before_a_fault_began_is_not_of_that_fault() -> None:
    assert law.recovery_s([(100.0, 300.0)], 120.0, 150.0) == 0


def test_a_ledger_has_what_was_written_before_its_writer_died(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.jsonl")
    ledger.write("accepted", "api", "b/cat.jpg", "cat.jpg")

    assert [entry.key for entry in ledger.read()] == ["b/cat.jpg"]
    ledger.close()
    assert json.loads(ledger.path.read_text())["what"] == "accepted"


def test_an_outcome_that_is_stored_once_more_counts_for_the_fault_that_is_near() -> None:
    stored = [("/out/b/cat.jpg.txt", 10.0), ("/out/b/cat.jpg.txt", 140.0), ("/out/b/cat.jpg.txt", 900.0),
              ("/in/b/cat.jpg", 10.0), ("/in/b/cat.jpg", 140.0)]  # fmt: skip

    found = law.repeats(stored, ["b/cat.jpg"], [(("web killed",), 100.0, 120.0)])

    assert found == {"web killed": 1, "no fault": 1}
