"""The stream of a batch with a source."""

from __future__ import annotations

from typing import Any

import pytest

from app.errors import TransientError
from app.sources.progress import Progress
from tests.support.loops import Each
from web.sources import stream
from web.sources.stream import counts_of


def test_counts_are_told_when_they_change_until_the_batch_is_complete(
    each: Each[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "LOOK_S", 0.0)
    working = Progress(published=2, listed=True)
    looks: list[Any] = [working, working, TransientError("busy"), Progress(published=2, done=2, complete=True)]

    def read() -> Progress:
        found = looks.pop(0)
        if isinstance(found, Exception):
            raise found
        assert isinstance(found, Progress)
        return found

    told = b"".join(each(counts_of(read, lambda: False))).decode()
    assert told.count("event: counts") == 2
    assert '"waiting": 2' in told
    assert told.endswith('event: done\ndata: {"total": 2, "waiting": 0, "done": 2, "failed": 0, "cancelled": 0}\n\n')


def test_it_ends_with_its_process(each: Each[Any]) -> None:
    assert list(each(counts_of(lambda: None, lambda: True))) == [b"retry: 2000\n\n"]
