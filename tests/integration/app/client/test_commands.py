"""`elastiq batch`, as people run it, on a real web tier."""

from __future__ import annotations

import json
import socket

import pytest

from app.domain import Failure
from tests.support import photographs
from tests.support.command import elastiq
from tests.support.web import Site

CAT = photographs.chelsea()
UNKNOWN = "20200101T000000000Z-00000000"


class Terminal:
    """Runs the command against one web tier."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def run(self, *arguments: str, status: int = 0) -> str:
        """Return what it printed; its exit status must be ``status``."""
        ended = elastiq("batch", *arguments, "--url", self._site.url, environment=self._site.environment)
        assert ended.returncode == status, ended.stderr
        return ended.stdout if status == 0 else ended.stderr


@pytest.fixture
def terminal(site: Site) -> Terminal:
    return Terminal(site)


@pytest.fixture
def batch(site: Site) -> str:
    """A batch of which one image has a label, one has failed and one waits."""
    id = str(site.post("/api/batches", json={"name": "cats"}).json()["id"])
    site.upload(("a.png", CAT), ("b.png", CAT), ("c.png", CAT), path=f"/api/batches/{id}/images")
    site.classify(f"{id}/a.png")
    site.storage.save(Failure.of(f"{id}/b.png", "cut\x1b[2J short"))
    return id


def test_a_batch_is_listed_and_shown(terminal: Terminal, batch: str) -> None:
    listed = terminal.run("list", "--limit", "1")
    assert listed.startswith(f"{batch}  20")
    assert listed.endswith("UTC  cats\n")
    assert json.loads(terminal.run("list", "--limit", "1", "--json"))["id"] == batch
    shown = terminal.run("show", batch)
    assert "images     3: 1 waiting, 1 done, 1 failed, 0 cancelled" in shown
    assert f"/batches/{batch}" in shown
    assert "waits      " in shown
    told = json.loads(terminal.run("show", "--json", f"http://anywhere/batches/{batch}"))
    assert (told["counts"]["waiting"], told["record"]["name"], "images" in told) == (1, "cats", False)


def test_more_batches_than_one_answer_has_are_listed(terminal: Terminal, site: Site) -> None:
    for _ in range(101):
        site.post("/api/batches", json={"name": "many"})
    ids = [line.split()[0] for line in terminal.run("list", "--limit", "101").splitlines()]
    assert len(set(ids)) == 101
    assert ids == sorted(ids, reverse=True)


def test_results_are_labels_lines_of_json_or_a_table(terminal: Terminal, batch: str) -> None:
    assert terminal.run("results", batch) == "(a.png, tabby)\n"
    lines = [json.loads(line) for line in terminal.run("results", batch, "--jsonl").splitlines()]
    assert [(line["path"], line["state"]) for line in lines] == [
        ("a.png", "done"), ("b.png", "failed"), ("c.png", "waiting")
    ]  # fmt: skip
    table = terminal.run("results", batch, "--csv").splitlines()
    assert (len(table), table[1][:15]) == (4, '"a.png","tabby"')


def test_what_failed_is_tried_again_and_what_waits_is_cancelled(terminal: Terminal, site: Site, batch: str) -> None:
    assert terminal.run("retry", batch, "--path", "other.png") == f"0 tried again of {batch}\n"
    assert terminal.run("retry", batch) == f"1 tried again of {batch}\n"
    assert terminal.run("cancel", batch) == f"cancelled {batch}\n"
    assert site.batch(batch)["counts"] == {"total": 3, "waiting": 0, "done": 1, "failed": 0, "cancelled": 2}
    assert "take that back" in terminal.run("retry", batch, status=2)
    assert json.loads(terminal.run("retry", batch, "--cancelled", "--json"))["images"] == 2


def test_a_batch_is_deleted_if_that_is_meant(terminal: Terminal, site: Site, batch: str) -> None:
    assert "with its images and results?" in terminal.run("delete", batch, status=1)
    assert terminal.run("delete", batch, "--yes") == f"deleted {batch}\n"
    assert site.keys(batch) == []
    assert f"there is no batch '{batch}'" in terminal.run("show", batch, status=2)


def test_what_is_wrong_is_one_clear_line(terminal: Terminal) -> None:
    said = terminal.run("show", UNKNOWN, status=2)
    assert said.startswith("elastiq: there is no batch")
    assert said.count("\n") == 1
    assert "no such option" in terminal.run("show", UNKNOWN, "--colour", status=2).lower()


def test_a_web_tier_that_does_not_answer_is_waited_for_no_longer_than_was_said() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
        ended = elastiq("batch", "list", "--url", f"http://127.0.0.1:{port}", "--patience", "0")
    assert (ended.returncode, ended.stdout) == (3, "")
    assert "given up" in ended.stderr
