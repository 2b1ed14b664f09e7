"""Making batches and adding to them: files as they come, or a source where nobody uploads them."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import structlog
from flask import Blueprint, Response, jsonify, request, url_for
from werkzeug.exceptions import BadRequest

from app.batches.record import BULK, BatchRecord
from app.domain import new_batch_id
from app.sources import source
from web.access.caller import caller
from web.access.gate import checked
from web.access.limits import client
from web.batches.options import asked
from web.http import known
from web.http.bodies import body, has_body, json_object
from web.http.problems import stored_in
from web.openapi import shapes
from web.openapi.operations import JSON, Answer, Body, operation
from web.openapi.parameters import Text
from web.tier import tier
from web.uploads.addable import addable
from web.uploads.intake import Taken
from web.uploads.multipart import Part, parts
from web.uploads.receipt import receipt, rejected

log = structlog.get_logger(__name__)

FIELD = "files"
OPTIONS_BYTES = 16 * 1024

KEY = Text(
    name="Idempotency-Key",
    says="A text of the client's own: the same request with it, sent again within a day, makes no second batch.",
    where="header",
    longest=255,
)
FILE = {"type": "string", "contentMediaType": "application/octet-stream"}
FORM = {
    "type": "object",
    "properties": {FIELD: {"type": "array", "items": FILE, "minItems": 1}},
    "required": [FIELD],
}
FILES = Body("Any number of files, each in a part named `files`.", {"multipart/form-data": FORM})
FILES_OR_OPTIONS = Body(
    f"{FILES.says} With options in JSON, or no body at all, the batch has no images yet.",
    {**FILES.content, JSON: shapes.BatchOptions},
    required=False,
)
TAKEN = "All images are stored and queued."

blueprint = Blueprint("uploads", __name__, url_prefix="/api/batches")


@blueprint.post("")
@operation(
    {201: Answer(TAKEN, shapes.Receipt, headers={"Location": "The batch's path."})},
    problems=(409, 413, 422),
    takes=(KEY,),
    body=FILES_OR_OPTIONS,
)
def create() -> tuple[Response, int, dict[str, str]]:
    """Make a batch of the files sent; with options in JSON or no body at all, name one that files can be added to."""
    now = datetime.now(UTC)
    id = new_batch_id(now, os.urandom(4))
    made = tier().once.answer(caller().identity, KEY.read(), id, lambda id: _make(id, now), _sent)
    return jsonify(made), 201, {"Location": url_for("api.read", id=made["id"])}


@blueprint.post("/<id>/images")
@operation({201: Answer(TAKEN, shapes.Receipt)}, problems=(404, 409), body=FILES)
def add(id: str) -> tuple[Response, int]:
    """Add files to a batch. Sending the same files again, after an error, adds none twice."""
    record = addable(tier().records.read(checked(id)))
    return jsonify(receipt(id, _take(id, [], 0 if record.priority == BULK else None))), 201


def _hosts() -> str:
    """Return the hosts that webhooks may go to; none where they could not be signed."""
    hooks = tier().settings.hooks
    return hooks.hosts if hooks.secret else ""


def _make(id: str, now: datetime) -> tuple[dict[str, Any], str]:
    """Make a batch of the current request; return the answer, and the digest of what was sent."""
    if request.mimetype == "application/json":
        options = _options()
        record = replace(asked(options, id, now, _hosts(), _source), owner=caller().identity)
        tier().orders.make(record)
        if record.source is not None:
            tier().runner.begin(id)
            log.info("batch_has_source", batch=id, source=record.source)
        return receipt(id, []), _digest_of(options)
    tier().orders.make(BatchRecord(id, owner=caller().identity))
    sent: list[list[str]] = []
    # A form without a length is no wish for an id: its files would be lost without a word.
    taken = _take(id, sent) if _has_files() else []
    return receipt(id, taken), _digest_of(*sent)


def _sent() -> str:
    """Read the current request as `_make` does, and return the digest of what was sent alone."""
    if request.mimetype == "application/json":
        return _digest_of(_options())
    found: list[list[str]] = []
    for part in _noted(_parts(), found) if _has_files() else ():
        part.body.close()
    return _digest_of(*found)


def _digest_of(*sent: object) -> str:
    return known.digest(json.dumps(one, sort_keys=True) for one in sent)


def _has_files() -> bool:
    return has_body() or request.mimetype.startswith("multipart/")


def _parts() -> Iterator[Part]:
    limit = tier().settings.images.max_file_bytes
    return parts(body(), request.headers.get("Content-Type", ""), fields=frozenset({FIELD}), max_bytes=limit)


def _options() -> object:
    return json_object(OPTIONS_BYTES, "the options of a batch have")


def _source(data: object) -> dict[str, Any]:
    buckets = tier().settings.buckets
    return source.asked(data, buckets.sources, buckets.input).to_json()


def _take(id: str, noted: list[list[str]], first: float | None = None) -> list[Taken]:
    """Take the current request's files into a batch, ``first`` of it before what waits in bulk, and note them."""
    sent: Counter[str] = Counter()
    with tier().bodies.taken(), stored_in(id):
        taken = tier().intake.take(id, _by_field(_noted(_parts(), noted), sent), first)
    tier().backlog.add(client(), [image.key for image in taken if image.outcome is None])
    log.info("upload_taken", batch=id, files=len(taken), rejected=rejected(taken))
    if not sent[FIELD]:
        found = f", only in {', '.join(repr(field[:80]) for field in sent)}" if sent else ""
        raise BadRequest(f"no file was sent in a part named {FIELD!r}{found}; put each file in a part named {FIELD!r}")
    return taken


def _noted(files: Iterator[Part], noted: list[list[str]]) -> Iterator[Part]:
    for part in files:
        noted.append([part.field, part.filename, part.digest])
        yield part


def _by_field(files: Iterator[Part], sent: Counter[str]) -> Iterator[Part]:
    """Refuse the files of other fields, so that each that came has an answer; count them all in ``sent``."""
    for part in files:
        sent[part.field] += 1
        if part.field != FIELD:
            part.refusal = f"the file was sent in a part named {part.field[:80]!r}; put it in a part named {FIELD!r}"
        yield part
