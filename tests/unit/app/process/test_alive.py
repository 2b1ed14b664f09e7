from __future__ import annotations

import os
from pathlib import Path

import pytest

from app.process import alive
from app.process.alive import AliveFile


def test_a_touch_gives_the_file_the_present_time(tmp_path: Path) -> None:
    file = tmp_path / "alive"
    AliveFile(str(file)).touch()
    os.utime(file, (1, 1))
    AliveFile(str(file)).touch()
    assert file.stat().st_mtime > 1


def test_touches_in_a_row_are_one(tmp_path: Path) -> None:
    file = tmp_path / "alive"
    loop = AliveFile(str(file))
    loop.touch()
    os.utime(file, (1, 1))
    loop.touch()
    assert file.stat().st_mtime == 1


def test_no_file_is_named_and_none_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    AliveFile("").touch()
    assert not list(tmp_path.iterdir())


def test_a_file_that_cannot_be_touched_is_told_and_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    monkeypatch.setattr(alive.log, "error", lambda event, **_: told.append(event), raising=False)
    AliveFile(str(tmp_path / "nowhere" / "alive")).touch()
    assert told == ["alive_file_failed"]
