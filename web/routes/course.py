"""The course contract: one image in, its label out, in one request. Load generators of a cloud course speak it."""

from __future__ import annotations

import math
import select
import socket
import time
from datetime import UTC, datetime

from flask import Blueprint, Response, request
from werkzeug.exceptions import BadRequest, ClientDisconnected, GatewayTimeout

from app.domain import Failure
from app.errors import InvalidImage
from web.access.caller import caller
from web.access.limits import client
from web.batches.batch import Outcome
from web.http.bodies import body
from web.http.gunicorn_internals import connection
from web.openapi.operations import PLAIN as TEXT
from web.openapi.operations import Answer, Body, operation
from web.tier import tier
from web.uploads import names
from web.uploads.intake import Taken
from web.uploads.multipart import Part, parts

PLAIN, WITH_NAME = "myfile", "inputFile"
# How often a waiting request looks whether its client is still there.
LOOK_S = 2.0

FILE = {"type": "string", "contentMediaType": "application/octet-stream"}
FORM = {"type": "object", "properties": {PLAIN: FILE, WITH_NAME: FILE}, "minProperties": 1, "maxProperties": 1}
IMAGE = Body("One image.", {"multipart/form-data": FORM})

blueprint = Blueprint("compat", __name__)


@blueprint.post("/")
@operation({200: Answer("The label.", media=(TEXT,))}, problems=(422, 504), body=IMAGE)
def classify() -> Response:
    """Answer with the label alone (field ``myfile``) or ``<name>:<label>`` (field ``inputFile``), once it is known."""
    with tier().waiters.taken(), tier().bodies.taken():
        part = _only_file()
        try:
            taken = tier().intake.admit(tier().current_batch.id(datetime.now(UTC), caller().identity), part)
        finally:
            part.body.close()
        # Somebody waits for it, and the batch is of all who do.
        tier().intake.publish([taken], math.inf)
        tier().backlog.add(client(), [taken.key] if taken.outcome is None else [])
        label = _label(taken)
    text = label if part.field == PLAIN else f"{names.without_extension(part.filename)}:{label}"
    return Response(text, mimetype="text/plain")


def _only_file() -> Part:
    limit = tier().settings.images.max_file_bytes
    wanted = frozenset({PLAIN, WITH_NAME})
    found: Part | None = None
    for part in parts(body(), request.headers.get("Content-Type", ""), fields=wanted, max_bytes=limit):
        if part.field not in wanted:
            part.body.close()
            continue
        if found is not None:
            part.body.close()
            found.body.close()
            raise BadRequest("send one image a request; POST /api/batches takes any number")
        found = part
    if found is None:
        raise BadRequest(f"no image was sent; put it in a part named {PLAIN!r} or {WITH_NAME!r}")
    return found


def _label(taken: Taken) -> str:
    outcome = taken.outcome or _outcome_of(taken.key, tier().settings.web.wait_s)
    if isinstance(outcome, Failure):
        raise InvalidImage(outcome.reason)
    return outcome.label


def _outcome_of(key: str, timeout_s: float) -> Outcome:
    deadline = time.monotonic() + timeout_s
    while (remaining := deadline - time.monotonic()) > 0:
        outcome = tier().feed.wait_for(key, min(LOOK_S, remaining))
        if outcome is not None:
            return outcome
        if _client_is_gone():
            raise ClientDisconnected("the client has hung up")
    raise GatewayTimeout(
        f"no result in {timeout_s:.0f} s ({tier().fleet.waiting().says}); the image {key!r} is queued still: "
        "GET /api/batches/<id> will have it, or raise ELASTIQ_WAIT_SECONDS"
    )


def _client_is_gone() -> bool:
    """Return whether nobody will read the answer: then the seat is for another."""
    client = connection()
    if client is None:
        return False
    poll = select.poll()
    poll.register(client, select.POLLIN)
    return bool(poll.poll(0)) and client.recv(1, socket.MSG_PEEK) == b""
