"""Batches backwards, from a listing that goes forwards."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from app.domain import new_batch_id
from web.batches import index
from web.batches.index import Index

NOW = datetime(2026, 11, 28, 10, 15, tzinfo=UTC)


class Listed:
    """A bucket's listing, which counts what is read of it."""

    def __init__(self, ids: list[str]) -> None:
        self._ids = sorted(ids)
        self.lists, self.read = 0, 0

    def __call__(self, after: str) -> Iterator[str]:
        self.lists += 1
        for id in self._ids[bisect_left(self._ids, after) :]:
            self.read += 1
            yield id


def ids(*ages: timedelta) -> list[str]:
    return [new_batch_id(NOW - age, number.to_bytes(4)) for number, age in enumerate(ages)]


def all_of(listed: Listed, limit: int) -> list[str]:
    """Return all ids, by as many answers as it takes."""
    found: list[str] = []
    after = ""
    while True:
        some, after = Index(listed).newest(limit, NOW, after)
        found += some
        if not after:
            return found


ages = st.timedeltas(timedelta(days=-1), timedelta(days=20_000)) | st.timedeltas(timedelta(0), timedelta(seconds=2))


@given(ages=st.lists(ages, max_size=30), limit=st.integers(1, 7))
def test_all_come_once_the_newest_first_whatever_the_pages(ages: list[timedelta], limit: int) -> None:
    known = ids(*ages)
    assert all_of(Listed(known), limit) == sorted(known, reverse=True)


def test_a_page_begins_behind_the_last_one_though_newer_ones_have_come() -> None:
    known = ids(*(timedelta(minutes=minute) for minute in range(5)))
    first, after = Index(Listed(known)).newest(2, NOW)
    second, _ = Index(Listed([*known, new_batch_id(NOW, b"\xff" * 4)])).newest(2, NOW, after)
    assert first + second == known[:4]


def test_the_newest_of_many_years_cost_few_lists_and_little_reading() -> None:
    listed = Listed(ids(*(timedelta(hours=hour) for hour in range(0, 20_000))))
    found, after = Index(listed).newest(20, NOW)
    assert (len(found), bool(after)) == (20, True)
    assert listed.lists < 6
    assert listed.read < 200


def test_old_batches_alone_are_found_over_a_long_silence_in_few_lists() -> None:
    listed = Listed(ids(timedelta(days=5000), timedelta(days=5001)))
    assert len(Index(listed).newest(20, NOW)[0]) == 2
    assert listed.lists < 15


def test_a_crowded_window_is_divided_before_all_of_it_is_read() -> None:
    listed = Listed(ids(*(timedelta(milliseconds=100 * number) for number in range(30_000))))
    assert Index(listed).newest(20, NOW)[0] == sorted(listed._ids, reverse=True)[:20]
    assert listed.read < 5 * index.MOST


def test_those_that_are_not_wanted_are_passed_over_but_not_without_end() -> None:
    known = ids(*(timedelta(seconds=number) for number in range(index.LOOKED_AT + 10)))
    found, after = Index(Listed(known)).newest(20, NOW, wanted=lambda id: id in known[-3:])
    assert (found, after) == ([], known[index.LOOKED_AT - 1])
    assert Index(Listed(known)).newest(20, NOW, after, lambda id: id in known[-3:]) == (known[-3:], "")
