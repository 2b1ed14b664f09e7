"""What a built model costs, beside it."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.speed import AROUND_MS, FILE, Speed, processor, read

MEASURED = Speed(6.0, "bf16", "A processor")


def test_what_the_build_writes_is_read_again(tmp_path: Path) -> None:
    MEASURED.write(tmp_path)
    assert read(tmp_path) == MEASURED
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


def test_a_worker_s_rate_is_of_all_its_cores_and_of_all_that_it_does() -> None:
    assert MEASURED.rate(4) == pytest.approx(4000 / (6.0 + AROUND_MS))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b"\xff",
        b"[" * 100_000,
        b'{"core_ms": 0, "precision": "fp32", "processor": "p"}',
        b'{"core_ms": NaN, "precision": "fp32", "processor": "p"}',
        b'{"core_ms": null, "precision": "fp32", "processor": "p"}',
    ],
)
def test_whatever_else_is_there_is_as_nothing(tmp_path: Path, body: bytes) -> None:
    (tmp_path / FILE).write_bytes(body)
    assert read(tmp_path) is None


def test_where_nothing_is_there_is_nothing(tmp_path: Path) -> None:
    assert read(tmp_path / "none") is None


def test_this_machine_has_a_processor() -> None:
    assert processor()
