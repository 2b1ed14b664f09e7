"""The stream of a batch with a source."""

from __future__ import annotations

from typing import Any

import pytest

from app.errors import TransientError
from app.sources.progress import Progress
from tests.support.loops import Each
from web.sources import stream
from web.sources.stream import Seen, counts_of


def test_counts_and_progress_are_told_when_they_change_until_the_batch_is_complete(
    each: Each[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "LOOK_S", 0.0)
    looks: list[Any] = [_seen(), _seen(), TransientError("busy"), _seen(done=2, complete=True)]

    def look() -> Seen:
        found = looks.pop(0)
        if isinstance(found, Exception):
            raise found
        assert isinstance(found, Seen)
        return found

    told = b"".join(each(counts_of(look, lambda: False, lambda: {"code": "working"}))).decode()
    kinds = [line.removeprefix("event: ") for line in told.splitlines() if line.startswith("event: ")]
    assert kinds == ["counts", "progress", "waits", "counts", "progress", "done"]
    assert '"waiting": 2' in told
    assert told.endswith('event: done\ndata: {"total": 2, "waiting": 0, "done": 2, "failed": 0, "cancelled": 0}\n\n')


def test_what_was_cancelled_is_told_beside_the_other_states(each: Each[Any]) -> None:
    progress = Progress(published=3, listed=True, done=1, complete=True)
    seen = Seen(progress.counts(cancelled=True), progress.to_public(), over=True)
    told = b"".join(each(counts_of(lambda: seen, lambda: False))).decode()
    assert told.endswith('event: done\ndata: {"total": 3, "waiting": 0, "done": 1, "failed": 0, "cancelled": 2}\n\n')


def test_it_ends_with_its_process_and_with_its_batch(each: Each[Any]) -> None:
    assert list(each(counts_of(_seen, lambda: True))) == [b"retry: 2000\n\n"]
    assert list(each(counts_of(lambda: None, lambda: False))) == [b"retry: 2000\n\n"]


def _seen(done: int = 0, complete: bool = False) -> Seen:
    progress = Progress(published=2, listed=True, done=done, complete=complete)
    return Seen(progress.counts(), progress.to_public(), progress.over)
