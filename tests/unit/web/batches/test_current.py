"""The batch of the images that come one at a time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

from app.batches.record import BatchRecord
from app.domain import BATCH_ID
from web.batches.current import CurrentBatch

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


def test_images_of_one_minute_share_a_batch_and_the_next_has_another() -> None:
    current = CurrentBatch()
    first, second, third = (current.id(NOW + timedelta(seconds=seconds)) for seconds in (0, 59.9, 60))
    assert first == second
    assert third != first
    assert sorted([third, first]) == [first, third], "batches sort by time"


def test_the_minute_begins_with_its_first_image() -> None:
    current = CurrentBatch()
    current.id(NOW)
    late = current.id(NOW + timedelta(seconds=100))
    assert current.id(NOW + timedelta(seconds=159)) == late


def test_it_is_a_batch_like_any_other_and_of_this_process_alone() -> None:
    one, other = CurrentBatch().id(NOW), CurrentBatch().id(NOW)
    assert BATCH_ID.fullmatch(one)
    assert one != other


def test_those_who_come_at_the_same_time_get_the_same() -> None:
    current = CurrentBatch()
    with ThreadPoolExecutor(16) as pool:
        assert len(set(pool.map(lambda _: current.id(NOW), range(200)))) == 1


def test_each_owner_has_a_batch_of_his_own_with_a_record_that_says_so() -> None:
    begun: list[BatchRecord] = []
    current = CurrentBatch(begun.append)
    alice, bob = (current.id(NOW, owner) for owner in ("keys:alice", "keys:bob"))
    assert current.id(NOW, "keys:alice") == alice != bob
    assert [(record.id, record.owner) for record in begun] == [(alice, "keys:alice"), (bob, "keys:bob")]
    later = current.id(NOW + timedelta(minutes=1), "keys:alice")
    assert begun[2].id == later != alice
