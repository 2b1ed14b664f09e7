"""All batches, the newest first."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, Response, jsonify, url_for
from werkzeug.exceptions import Forbidden

from app.batches.record import BatchRecord
from app.domain import BATCH_ID
from app.process.address import is_loopback
from web.access.caller import caller
from web.http import known
from web.openapi import shapes
from web.openapi.operations import LINK, Answer, operation
from web.openapi.parameters import Text, Whole
from web.tier import tier

LIMIT = Whole(name="limit", says="How many batches at most.", least=1, most=100, default=20)
AFTER = Text(name="after", says="The last batch of an earlier answer.", longest=28, pattern=BATCH_ID.pattern)

blueprint = Blueprint("listing", __name__)


@blueprint.get("/api/batches")
@operation(
    {
        200: Answer("The batches.", shapes.Batches, headers=known.SAYS, at_times=LINK),
        304: Answer("Nothing has changed since the ETag that is named.", media=()),
    },
    problems=(403,),
    takes=(LIMIT, AFTER),
)
def batches() -> Response:
    """Return your batches, the newest first.

    Who may operate gets all batches. An answer may have fewer than there are, and `next`, where others' lie between.
    """
    if not caller().identity and not _is_private():
        raise Forbidden(
            "nobody is asked who he is here, so batches are known by their addresses alone: set ELASTIQ_AUTH"
        )
    limit, after = LIMIT.read(), AFTER.read()
    with tier().readers.taken():
        found, next_ = tier().index.newest(
            limit, datetime.now(UTC), after, lambda id: _is_told(tier().records.read(id))
        )
        answer = jsonify(batches=[_told(tier().records.read(id)) for id in found], next=next_ or None)
    if next_:
        answer.headers["Link"] = f'<{url_for("listing.batches", limit=limit, after=next_)}>; rel="next"'
    return known.judged(answer)


def _is_private() -> bool:
    web = tier().settings.web
    return is_loopback(web.host) and not web.trusted_proxies


def _is_told(record: BatchRecord) -> bool:
    who = caller()
    return not record.deleted_at and (who.sees_all or record.owner == who.identity)


def _told(record: BatchRecord) -> dict[str, Any]:
    return {"id": record.id, "url": url_for("pages.batch", id=record.id, _external=True), "record": record.to_public()}
