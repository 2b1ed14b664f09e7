"""What is ordered of a batch that there is: that it be cancelled."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import structlog
from flask import Blueprint, Response, jsonify
from werkzeug.exceptions import NotFound

from app.domain import BATCH_ID
from web.openapi import shapes
from web.openapi.operations import Answer, operation
from web.tier import tier

log = structlog.get_logger(__name__)

blueprint = Blueprint("orders", __name__, url_prefix="/api/batches/<id>")


@blueprint.post("/cancel")
@operation({200: Answer("It is cancelled.", shapes.Ordered)}, problems=(404,))
def cancel(id: str) -> tuple[Response, int]:
    """Drop what waits of a batch, at once; what runs may finish. Cancelling twice changes nothing."""
    _check(id)
    record = tier().cancelling.cancel(id, datetime.now(UTC))
    log.info("batch_cancelled", batch=id)
    return jsonify(_told(id, record.to_public())), 200


def _told(id: str, record: dict[str, Any]) -> dict[str, Any]:
    return {"id": id, "record": record}


def _check(id: str) -> None:
    """Refuse what is no batch, so that nothing is kept of one.

    Raises:
        NotFound: there is none.
    """
    if BATCH_ID.fullmatch(id):
        with tier().openers.taken():
            if tier().feed.exists(id) or tier().records.find(id) is not None:
                return
    raise NotFound(f"there is no batch {id[:80]!r}; its id is in the answer to the upload and in the page's address")
