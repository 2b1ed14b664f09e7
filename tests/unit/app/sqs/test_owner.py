"""Whose a listener's queue is, and whether that process lives: told without asking it."""

from __future__ import annotations

import pytest

from app.sqs.owner import ended, owner


def test_this_process_has_not_ended() -> None:
    assert not ended(owner())


def test_a_process_of_this_system_that_runs_no_more_has_ended() -> None:
    host, boot, namespace, _, _ = owner().split("/")
    assert ended(f"{host}/{boot}/{namespace}/4194303/1")


def test_another_process_that_got_the_same_number_since_is_another() -> None:
    *system, process, started = owner().split("/")
    assert ended("/".join([*system, process, str(int(started) + 1)]))


@pytest.mark.parametrize("part", [0, 1, 2])
def test_a_process_of_another_host_or_boot_or_process_namespace_may_well_live(part: int) -> None:
    parts = [*owner().split("/")[:3], "4194303", "1"]
    parts[part] = "another"
    assert not ended("/".join(parts))


@pytest.mark.parametrize("tag", ["", "host", "host:77", "////", "a/b/c/d/e/f/g"])
def test_an_owner_that_cannot_be_read_is_not_taken_for_dead(tag: str) -> None:
    assert not ended(tag)
