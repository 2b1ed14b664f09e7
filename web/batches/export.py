"""A batch as CSV (RFC 4180), safe to open in a spreadsheet."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator

from app.domain import filename_of
from web.batches.batch import Image, details

COLUMNS = ("filename", "label", "score", "state", "reason")
# A spreadsheet takes a cell that begins like this for a formula, or for a command.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def as_csv(images: Iterable[Image]) -> Iterator[str]:
    """Yield the header line and a line for each image."""
    yield _line(COLUMNS)
    for image in images:
        known = details(image.outcome)
        score = "" if known["score"] is None else f"{known['score']:.6f}"
        yield _line((filename_of(image.key), known["label"] or "", score, image.state, known["reason"] or ""))


def _line(cells: Iterable[str]) -> str:
    line = io.StringIO()
    csv.writer(line).writerow(["'" + cell if cell.startswith(_FORMULA) else cell for cell in cells])
    return line.getvalue()
