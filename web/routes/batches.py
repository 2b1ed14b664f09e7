"""The HTTP API of batches: make one, add to it, read it, follow it."""

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
from werkzeug.exceptions import BadRequest, Conflict, NotFound

from app.batches.record import BULK, BatchRecord
from app.domain import BATCH_ID, new_batch_id
from app.sources import source
from app.sources.progress import Progress
from web.access.caller import caller
from web.access.gate import no_such_batch
from web.access.limits import client
from web.batches.options import asked
from web.batches.paging import page_of
from web.batches.preview import LARGE, TILE
from web.batches.stream import events_of
from web.batches.watch import Snapshot
from web.fleet.waiting import Waiting
from web.http import known
from web.http.bodies import body, has_body, json_object
from web.http.problems import stored_in
from web.http.security import CONTENT_POLICY
from web.openapi import shapes
from web.openapi.operations import EVENTS, JSON, LINK, Answer, Body, operation
from web.openapi.parameters import Choice, Text, Whole
from web.sources.runner import results_of
from web.sources.stream import counts_of
from web.tier import tier
from web.uploads.intake import Taken
from web.uploads.multipart import Part, parts
from web.uploads.receipt import page_address, receipt, rejected

log = structlog.get_logger(__name__)

FIELD = "files"
OPTIONS_BYTES = 16 * 1024

CURSOR = Text(name="after", says="A cursor of an earlier answer: only what is newer; everything, if it is not known.")
LAST_EVENT = Text(name="Last-Event-ID", says="As `after`; browsers send it when they connect again.", where="header")
LIMIT = Whole(name="limit", says="How many images at most, by path; 0: all.", least=0, most=10_000, default=0)
PAGE = Text(name="page", says="Where to go on: `Link` of the answer before has it.", longest=2000)
KEY = Text(
    name="Idempotency-Key",
    says="A text of the client's own: the same request with it, sent again within a day, makes no second batch.",
    where="header",
    longest=255,
)
SIZE = Choice(name="size", says="How large a picture: 400 or 1600 pixels a side, at most.", words=("tile", "large"))

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
STREAM = Answer(
    "Everything so far, then each thing as it happens.",
    media=(EVENTS,),
    events={
        "image-waiting": shapes.Image,
        "image-classified": shapes.Image,
        "image-failed": shapes.Image,
        "image-cancelled": shapes.Image,
        "current": shapes.Counts,
        "waits": Waiting,
        "counts": shapes.Counts,
        "done": shapes.Counts,
    },
)
SAME = Answer("It is the one that `If-None-Match` names.", media=())
TAKEN = "All images are stored and queued."

blueprint = Blueprint("api", __name__, url_prefix="/api/batches")


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
    record = tier().records.read(_checked(id))
    if record.cancelled_at:
        raise Conflict(f"batch {id!r} was cancelled; make another one, or take that back: POST /api/batches/{id}/retry")
    return jsonify(receipt(id, _take(id, [], 0 if record.priority == BULK else None))), 201


@blueprint.get("/<id>")
@operation(
    {200: Answer("The batch.", shapes.Batch, headers=known.SAYS, at_times=LINK), 304: SAME},
    problems=(404,),
    takes=(CURSOR, LIMIT, PAGE),
)
def read(id: str) -> Response:
    """Return a batch, or with ``?after=CURSOR`` only its images that have news since."""
    after, limit, page = CURSOR.read(), LIMIT.read(), PAGE.read()
    if after and (limit or page):
        raise BadRequest("after gives what is new, and limit and page what is there: take one of the two")
    record = tier().records.read(_checked(id))
    if record.source is not None:
        return _sourced(record)
    snapshot = _snapshot(id, after)
    try:
        images, next_page = page_of(snapshot.images, limit, page)
    except ValueError as err:
        raise BadRequest(str(err)) from err
    answer = jsonify(
        id=id,
        url=page_address(id),
        cursor=snapshot.cursor,
        record=record.to_public(),
        counts=snapshot.counts.to_json(),
        cost=tier().costs.of_batch(id),
        waits=tier().fleet.waiting().to_json() if snapshot.counts.waiting else None,
        images=[image.to_json() for image in images],
    )
    if next_page:
        answer.headers["Link"] = f'<{url_for("api.read", id=id, limit=limit, page=next_page)}>; rel="next"'
    return known.judged(answer)


@blueprint.get("/<id>/cost")
@operation({200: Answer("What it has cost.", shapes.CostOfBatch)}, problems=(404,))
def cost(id: str) -> Response:
    """Return what a batch has cost so far, as far as this process heard of it; no bucket is asked."""
    answer = jsonify(id=_checked(id), cost=tier().costs.of_batch(id))
    answer.headers["Cache-Control"] = "no-store"
    return answer


@blueprint.get("/<id>/events")
@operation({200: STREAM}, problems=(404,), takes=(CURSOR, LAST_EVENT))
def follow(id: str) -> Response:
    """Stream a batch's news, those so far first, until it is complete."""
    feed, fleet = tier().feed, tier().fleet
    with tier().openers.taken():
        is_there = feed.exists(_checked(id)) or tier().records.find(id) is not None
    if not is_there:
        raise _no_such_batch(id)
    last, after = LAST_EVENT.read(), CURSOR.read()
    if tier().records.read(id).source is not None:
        runner = tier().runner
        return tier().streams.answer(counts_of(lambda: runner.progresses.read(id), lambda: runner.stopped))
    return tier().streams.answer(events_of(feed, id, last or after, lambda: fleet.waiting().to_json()))


@blueprint.get("/<id>/images/<path:path>")
@operation(
    {200: Answer("The picture.", media=("image/jpeg",), headers=known.SAYS), 304: SAME},
    problems=(404, 422),
    takes=(SIZE,),
)
def image(id: str, path: str) -> Response:
    """Return a small picture of an image, or with ``?size=large`` a larger one; never the bytes that were uploaded."""
    side = LARGE if SIZE.read() == "large" else TILE
    etag = known.digest((_checked(id), path, str(side)))
    if known.has(etag):
        return known.not_modified(etag)
    picture, content_type = tier().previews.draw(f"{id}/{path}", side)
    answer = Response(picture, mimetype=content_type)
    answer.set_etag(etag)
    answer.headers["Content-Security-Policy"] = CONTENT_POLICY
    # An image never changes under its key.
    answer.headers["Cache-Control"] = "private, max-age=31536000, immutable"
    return answer


@blueprint.get("/<id>/life/<path:path>")
@operation({200: Answer("The steps that are known.", shapes.ImageLife)}, problems=(404,))
def life(id: str, path: str) -> Response:
    """Return what was done with one image, by whom, and how long each step took."""
    with tier().readers.taken():
        found = tier().lives.read(f"{_checked(id)}/{path}")
    if found is None:
        raise NotFound(f"there is no image {path[:80]!r} in batch {id!r}")
    answer = jsonify(found)
    answer.headers["Cache-Control"] = "no-store"
    return answer


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
    tier().records.make(BatchRecord(id, owner=caller().identity))
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


def _snapshot(id: str, after: str) -> Snapshot:
    with tier().readers.taken():
        snapshot = tier().feed.snapshot(id, after)
    if not snapshot.counts.total and tier().records.find(id) is None:
        raise _no_such_batch(id)
    return snapshot


def _options() -> object:
    return json_object(OPTIONS_BYTES, "the options of a batch have")


def _source(data: object) -> dict[str, Any]:
    buckets = tier().settings.buckets
    return source.asked(data, buckets.sources, buckets.input).to_json()


def _sourced(record: BatchRecord) -> Response:
    """Return a batch whose images nobody uploads: how many there are, and where their results will be."""
    progress = tier().runner.progresses.read(record.id) or Progress()
    where = f"s3://{tier().settings.buckets.output}/{results_of(record.id)}"
    counts = progress.counts(cancelled=record.cancelled_at is not None)
    answer = jsonify(
        id=record.id,
        url=page_address(record.id),
        cursor="",
        record=record.to_public(),
        counts=counts,
        cost=tier().costs.of_batch(record.id),
        waits=tier().fleet.waiting().to_json() if counts["waiting"] else None,
        images=[],
        progress={**progress.to_public(), "results": where},
    )
    return known.judged(answer)


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


def _checked(id: str) -> str:
    if not BATCH_ID.fullmatch(id):
        raise _no_such_batch(id)
    return id


def _no_such_batch(id: str) -> NotFound:
    return NotFound(no_such_batch(id))
