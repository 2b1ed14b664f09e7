"""Staged files, as they get to the checks."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from app.aws.bucket import Bucket
from app.settings import Settings
from web.uploads.multipart import MEMORY_BYTES
from web.uploads.staging import NotStaged, Staged, Staging

ID = "20261128T101530123Z-9f2c01ab"


def names(count: int) -> list[str]:
    return [f"{n:032x}" for n in range(count)]


def put(config: Settings, *uploads: str, times: int = 1) -> None:
    bucket = Bucket(config.aws, config.buckets.input)
    for name in uploads:
        bucket.put(f"_staged/{ID}/{name}", name.encode() * times, "application/octet-stream")


def test_files_come_in_their_order_however_many_are_read_at_once(config: Settings) -> None:
    put(config, *names(10))
    files = [Staged(name, f"{at}.png") for at, name in enumerate(names(10))]
    found = []
    for part in Staging(config).parts(ID, files, "files"):
        with part.body:
            found.append((part.field, part.filename, part.body.read()))
    assert found == [("files", f"{at}.png", name.encode()) for at, name in enumerate(names(10))]


def test_what_was_read_ahead_of_a_missing_file_is_closed(config: Settings) -> None:
    first, missing, *others = names(4)
    # So large that they are on the disk: one that is left open is a warning, and an error here.
    put(config, first, *others, times=MEMORY_BYTES // 16)
    parts = Staging(config).parts(ID, [Staged(name, "a.png") for name in (first, missing, *others)], "files")
    next(parts).body.close()
    with pytest.raises(NotStaged, match=missing):
        next(parts)


def test_nobody_can_guess_what_another_s_upload_is_called(config: Settings) -> None:
    invited = Staging(config).invite(ID, [1] * 50, datetime.now(UTC))
    assert len({upload["upload"] for upload in invited["uploads"]}) == 50
    for upload in invited["uploads"]:
        assert upload["fields"]["key"] == f"_staged/{ID}/{upload['upload']}"
        assert len(bytes.fromhex(upload["upload"])) == 16


def test_clearing_takes_away_these_and_no_others_and_twice_does_no_harm(config: Settings) -> None:
    put(config, *names(3))
    staging, gone = Staging(config), [Staged(name, "a.png") for name in names(2)]
    staging.clear(ID, gone)
    staging.clear(ID, gone)
    left = [item["Key"] for item in Bucket(config.aws, config.buckets.input).list("_staged/")]
    assert left == [f"_staged/{ID}/{names(3)[2]}"]
