"""A batch as CSV (RFC 4180), safe to open in a spreadsheet."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator

from app.domain import filename_of, path_of
from web.batches.batch import Image, details

COLUMNS = ("filename", "label", "score", "state", "reason", "path")
# Excel takes a file for UTF-8 by this alone.
_BYTE_ORDER_MARK = "\ufeff"
# A spreadsheet takes a cell that begins like this for a formula, or for a command; blanks before it, and forms of full
# width, do not keep it from that. Where commas are for decimals, a `;` or a tab begins a cell, and so does a line.
_FORMULA = re.compile(r"(^|[;\t\r\n])(?=\s*[=+\-@\uff1d\uff0b\uff0d\uff20])|^(?=[\t\r\n])")


def as_csv(images: Iterable[Image]) -> Iterator[str]:
    """Yield the header line and a line for each image; every cell is in quotes."""
    yield _BYTE_ORDER_MARK + _line(COLUMNS)
    for image in images:
        known = details(image.outcome)
        score = "" if known["score"] is None else f"{known['score']:.6f}"
        told = (known["label"] or "", score, image.state, known["reason"] or "")
        yield _line((filename_of(image.key), *told, path_of(image.key)))


def _line(cells: Iterable[str]) -> str:
    line = io.StringIO()
    csv.writer(line, quoting=csv.QUOTE_ALL).writerow([_FORMULA.sub(r"\g<0>'", cell) for cell in cells])
    return line.getvalue()
