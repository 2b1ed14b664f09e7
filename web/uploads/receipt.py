"""What whoever uploaded files is told of them, whichever way they came."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import url_for

from web.batches.batch import Image
from web.uploads import names
from web.uploads.intake import Taken


def receipt(id: str, taken: Sequence[Taken]) -> dict[str, Any]:
    """Return what became of the files of one request, in their order, as the API has it."""
    refused = rejected(taken)
    return {
        "id": id,
        "url": url_for("pages.batch", id=id, _external=True),
        "accepted": len(taken) - refused,
        "rejected": refused,
        "images": [Image(file.key, file.outcome).to_json() for file in taken],
    }


def rejected(taken: Sequence[Taken]) -> int:
    """Return how many files were not taken."""
    return sum(names.is_rejected(file.key) for file in taken)
