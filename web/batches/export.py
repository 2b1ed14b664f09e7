"""A batch as CSV (RFC 4180), safe to open in a spreadsheet."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from app.domain import filename_of, path_of
from app.spreadsheet import BYTE_ORDER_MARK, line
from web.batches.batch import Image, details

COLUMNS = ("filename", "label", "score", "state", "reason", "path")


def as_csv(images: Iterable[Image]) -> Iterator[str]:
    """Yield the header line and a line for each image; every cell is in quotes."""
    yield BYTE_ORDER_MARK + line(COLUMNS)
    for image in images:
        known = details(image.outcome)
        score = "" if known["score"] is None else f"{known['score']:.6f}"
        told = (known["label"] or "", score, image.state, known["reason"] or "")
        yield line((filename_of(image.key), *told, path_of(image.key)))
