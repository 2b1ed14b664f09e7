"""Results written to files as they come: a table, or a JSON object a line."""

from __future__ import annotations

import json
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from app.client.result import Result
from app.spreadsheet import BYTE_ORDER_MARK, line

COLUMNS = ("path", "label", "score", "state", "reason")


class Writer(Protocol):
    """Writes results; what has come is written whatever ends it."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...

    def add(self, result: Result) -> None:
        """Write one result."""


class _File:
    """A text file that is written from its beginning.

    Raises:
        OSError: it cannot be.
    """

    head = ""

    def __init__(self, path: Path) -> None:
        # A file's name may be no text; it is written byte by byte as it is.
        self._file = path.open("w", encoding="utf-8", errors="surrogateescape", newline="")
        self._file.write(self.head)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


class Table(_File):
    """A CSV file that is safe to open in a spreadsheet."""

    head = BYTE_ORDER_MARK + line(COLUMNS)

    def add(self, result: Result) -> None:
        """Write one result."""
        score = "" if result.score is None else f"{result.score:.6f}"
        self._file.write(line((result.path, result.label or "", score, result.state, result.reason or "")))


class Lines(_File):
    """A file of JSON lines, as ``--json`` prints them."""

    def add(self, result: Result) -> None:
        """Write one result."""
        self._file.write(json.dumps(result.to_json()) + "\n")
