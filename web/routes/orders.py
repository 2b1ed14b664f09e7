"""What is ordered of a batch that there is: that it be cancelled, tried again, deleted."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import structlog
from flask import Blueprint, Response, jsonify, request
from werkzeug.exceptions import BadRequest, NotFound

from app.batches.record import BatchRecord
from app.domain import BATCH_ID
from app.errors import ElastiqError
from web.access.gate import no_such_batch
from web.http.bodies import has_body, json_object
from web.openapi import shapes
from web.openapi.operations import JSON, Answer, Body, operation
from web.tier import tier

log = structlog.get_logger(__name__)

# A body that names a hundred thousand images.
MOST_BYTES = 16 * 1024 * 1024
# Of S3, for a thousand objects each: what one request deletes itself.
DELETED_AT_ONCE = 4
# What says that no bucket is asked, and the page, which says itself what it finds.
UNASKED = {"api.cost", "pages.batch"}

RETRY = Body("What to try again; everything that failed, without a body.", {JSON: shapes.Retry}, required=False)

blueprint = Blueprint("orders", __name__, url_prefix="/api/batches/<id>")


@blueprint.before_app_request
def refuse_deleted() -> None:
    """Have no route find a batch that was deleted, but the one that deletes."""
    id = (request.view_args or {}).get("id")
    if not isinstance(id, str) or not BATCH_ID.fullmatch(id) or request.endpoint in UNASKED:
        return
    try:
        deleted = tier().records.read(id).deleted_at
    except ElastiqError as err:  # the route will meet it too, if it needs the buckets
        log.warning("record_unknown", batch=id, reason=str(err))
        return
    if deleted and request.endpoint != "orders.delete":
        raise _none(id)


@blueprint.post("/cancel")
@operation({200: Answer("It is cancelled.", shapes.Ordered)}, problems=(404,))
def cancel(id: str) -> Response:
    """Drop what waits of a batch, at once; what runs may finish. Cancelling twice changes nothing."""
    _check(id)
    record = tier().orders.cancelling.cancel(id, datetime.now(UTC))
    log.info("batch_cancelled", batch=id)
    return jsonify(id=id, record=record.to_public())


@blueprint.post("/retry")
@operation({202: Answer("It is tried again.", shapes.Retried)}, problems=(404, 409, 413), body=RETRY)
def retry(id: str) -> tuple[Response, int]:
    """Try again what failed of a batch, or what was dropped when it was cancelled."""
    _check(id)
    paths, cancelled = _wanted(_sent())
    record = tier().records.fresh(id) or BatchRecord(id)
    with tier().bodies.taken():
        if record.source is None:
            count = tier().orders.retrying.retry(id, paths, cancelled)
        else:
            count = tier().sources.retry(record, paths, cancelled)
    tier().feed.changed(id)
    tier().telling.changed(id)
    log.info("batch_retried", batch=id, images=count)
    return jsonify(id=id, images=count, record=tier().records.read(id).to_public()), 202


@blueprint.delete("")
@operation(
    {202: Answer("It is gone for all who ask; the sweep deletes what is left of it.", shapes.Deleted),
     204: Answer("It is deleted, with all that belonged to it.", media=())},
    problems=(404,),
)  # fmt: skip
def delete(id: str) -> tuple[Response, int] | tuple[str, int]:
    """Delete a batch with its images and results. Deleting twice says how far it is."""
    _check(id)
    tier().orders.deletion.order(id, datetime.now(UTC))
    log.info("batch_deleted", batch=id)
    purged = tier().orders.deletion.purge(id, DELETED_AT_ONCE)
    if purged.whole:
        return "", 204
    return jsonify(id=id, deleted=purged.objects), 202


def _wanted(sent: dict[str, Any]) -> tuple[frozenset[str] | None, bool]:
    """Return the paths that are asked for, None for all, and whether to take back that the batch was cancelled."""
    paths, cancelled = sent.get("paths"), sent.get("cancelled", False)
    if unknown := sorted(sent.keys() - {"paths", "cancelled"}):
        raise BadRequest(f"there is no {unknown[0][:80]!r}; there are: paths, cancelled")
    if paths is not None and not (isinstance(paths, list) and all(isinstance(path, str) for path in paths)):
        raise BadRequest("paths is no list of images' paths")
    if not isinstance(cancelled, bool):
        raise BadRequest("cancelled is neither true nor false")
    return None if paths is None else frozenset(paths), cancelled


def _sent() -> dict[str, Any]:
    return json_object(MOST_BYTES, "what is to be tried again has") if has_body() else {}


def _check(id: str) -> None:
    """Refuse what is no batch, so that nothing is kept of one.

    Raises:
        NotFound: there is none.
    """
    if BATCH_ID.fullmatch(id):
        with tier().openers.taken():
            if tier().records.find(id) is not None or tier().feed.exists(id):
                return
    raise _none(id)


def _none(id: str) -> NotFound:
    return NotFound(no_such_batch(id))
