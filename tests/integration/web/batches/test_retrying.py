"""Trying again, broken off anywhere: each image has an outcome, a message, or is found by the sweep."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from app.batches.cancelling import Cancelling
from app.batches.records import Records
from app.batches.telling import Telling
from app.dispatch import Dispatch
from app.domain import Failure, new_batch_id
from app.errors import TransientError
from app.settings import Settings
from app.storage import Storage
from autoscaler.sweep.unfinished import Unfinished
from tasks.celery import make_app
from tests.support.photographs import chelsea
from web.batches.retrying import Retrying


def test_images_left_without_a_message_are_found_however_old_their_batch_is(config: Settings) -> None:
    storage, now = Storage(config), datetime.now(UTC)
    id = new_batch_id(now - timedelta(days=40), os.urandom(4))
    for name in ("a.png", "b.png"):
        storage.put_image(f"{id}/{name}", chelsea(), "image/png")
        storage.save(Failure.of(f"{id}/{name}", "cut short"))
    app = make_app(config)
    records = Records(config)
    cancelling = Cancelling(config, records, Telling(app, Dispatch(app, "test")))

    def broken(keys: Sequence[str]) -> None:
        raise TransientError("the queue does not answer")

    later = now + timedelta(minutes=10)
    unfinished = Unfinished(config)
    assert unfinished.search(later) == frozenset()
    with pytest.raises(TransientError):
        Retrying(config, storage, records, cancelling, broken).retry(id, None, cancelled=False)
    assert unfinished.search(later) == {f"{id}/a.png", f"{id}/b.png"}
    for name in ("a.png", "b.png"):
        storage.save(Failure.of(f"{id}/{name}", "cut short again"))
    assert unfinished.search(later) == frozenset()
    storage.forget_failures([f"{id}/a.png"])
    assert unfinished.search(later) == frozenset(), "once all had an outcome, nobody looks at so old a batch"
