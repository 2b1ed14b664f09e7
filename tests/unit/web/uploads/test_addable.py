"""Whether files can be added to a batch."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from werkzeug.exceptions import Conflict

from app.batches.record import BatchRecord
from web.uploads.addable import addable

ID = "20260102T030405Z-a1b2c3d4"


def test_files_can_be_added_to_a_batch_of_uploads() -> None:
    record = BatchRecord(ID)
    assert addable(record) is record


def test_a_cancelled_batch_takes_no_files_and_says_how_it_would() -> None:
    with pytest.raises(Conflict, match="was cancelled; make another one, or take that back"):
        addable(BatchRecord(ID, cancelled_at=datetime(2026, 1, 2, tzinfo=UTC)))


def test_a_batch_of_what_is_in_s3_takes_no_files() -> None:
    with pytest.raises(Conflict, match="are in S3, and none can be added"):
        addable(BatchRecord(ID, source={"prefix": "s3://photos/"}))
