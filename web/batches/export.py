"""A batch as CSV (RFC 4180), safe to open in a spreadsheet, and as JSON."""

from __future__ import annotations

import json
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


def as_object(id: str, images: Iterable[Image]) -> Iterator[str]:
    """Yield a JSON object with the batch's id and its images."""
    yield f'{{"id": {json.dumps(id)}, "images": ['
    before = ""
    for image in images:
        yield before + json.dumps(image.to_json())
        before = ",\n"
    yield "]}\n"


def as_lines(images: Iterable[Image]) -> Iterator[str]:
    """Yield a line of JSON for each image."""
    for image in images:
        yield json.dumps(image.to_json()) + "\n"
