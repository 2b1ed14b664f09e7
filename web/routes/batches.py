"""One batch: read it, follow it, ask what it has cost."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from flask import Blueprint, Response, jsonify, url_for
from werkzeug.exceptions import BadRequest, NotFound

from app.batches.record import BatchRecord
from app.sources.progress import Progress
from web.access.gate import checked, no_such_batch
from web.batches.batch import Image
from web.batches.paging import name_of, named, page_of
from web.batches.stream import events_of
from web.batches.watch import Snapshot
from web.fleet.waiting import Waiting
from web.http import known
from web.openapi import shapes
from web.openapi.operations import EVENTS, LINK, Answer, operation
from web.openapi.parameters import Text, Whole
from web.sources.results import results_of
from web.sources.stream import Seen, counts_of
from web.tier import Tier, tier

# Of a batch with a source, each image that is told costs a call.
MOST_OF_A_SOURCE = 1000

CURSOR = Text(name="after", says="A cursor of an earlier answer: only what is newer; everything, if it is not known.")
LAST_EVENT = Text(name="Last-Event-ID", says="As `after`; browsers send it when they connect again.", where="header")
LIMIT = Whole(name="limit", says="How many images at most, by path; 0: all.", least=0, most=10_000, default=0)
PAGE = Text(name="page", says="Where to go on: `Link` of the answer before has it.", longest=2000)
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
        "progress": shapes.SourceProgress,
        "done": shapes.Counts,
    },
)
SAME = Answer("It is the one that `If-None-Match` names.", media=())

blueprint = Blueprint("api", __name__, url_prefix="/api/batches")


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
    record = tier().records.read(checked(id))
    try:
        answer, next_page = _sourced(record, limit, page) if record.source else _uploaded(record, after, limit, page)
    except ValueError as err:
        raise BadRequest(str(err)) from err
    if next_page:
        answer.headers["Link"] = f'<{url_for("api.read", id=id, limit=limit, page=next_page)}>; rel="next"'
    return known.judged(answer)


@blueprint.get("/<id>/cost")
@operation({200: Answer("What it has cost.", shapes.CostOfBatch)}, problems=(404,))
def cost(id: str) -> Response:
    """Return what a batch has cost so far, as far as this process heard of it; no bucket is asked."""
    answer = jsonify(id=checked(id), cost=tier().costs.of_batch(id))
    answer.headers["Cache-Control"] = "no-store"
    return answer


@blueprint.get("/<id>/events")
@operation({200: STREAM}, problems=(404,), takes=(CURSOR, LAST_EVENT))
def follow(id: str) -> Response:
    """Stream a batch's news, those so far first, until it is complete."""
    feed, fleet = tier().feed, tier().fleet
    with tier().openers.taken():
        is_there = feed.exists(checked(id)) or tier().records.find(id) is not None
    if not is_there:
        raise NotFound(no_such_batch(id))
    last, after = LAST_EVENT.read(), CURSOR.read()
    if tier().records.read(id).source is not None:
        runner = tier().runner
        return tier().streams.answer(
            counts_of(partial(_seen, tier(), id), lambda: runner.stopped, lambda: fleet.waiting().to_json())
        )
    return tier().streams.answer(events_of(feed, id, last or after, lambda: fleet.waiting().to_json()))


def _snapshot(id: str, after: str) -> Snapshot:
    with tier().readers.taken():
        snapshot = tier().feed.snapshot(id, after)
    if not snapshot.counts.total and tier().records.find(id) is None:
        raise NotFound(no_such_batch(id))
    return snapshot


def _uploaded(record: BatchRecord, after: str, limit: int, page: str) -> tuple[Response, str]:
    """Return a batch whose images were uploaded, and the name of its next page."""
    snapshot = _snapshot(record.id, after)
    images, next_page = page_of(snapshot.images, limit, page)
    return _answer(record, snapshot.cursor, snapshot.counts.to_json(), images), next_page


def _sourced(record: BatchRecord, limit: int, page: str) -> tuple[Response, str]:
    """Return a batch whose images nobody uploads, and the name of its next page.

    How many there are is told of all, and images only of as many as are asked for: those that have an outcome.
    """
    seen = _seen(tier(), record.id) or Seen(Progress().counts(), {}, over=True)
    images: list[Image] = []
    next_ = ""
    if limit:
        with tier().readers.taken():
            after = named(page) if page else ""
            images, next_ = tier().runner.results.outcomes(record.id, after, min(limit, MOST_OF_A_SOURCE))
    return _answer(record, "", seen.counts, images, progress=seen.progress), name_of(next_) if next_ else ""


def _seen(parts: Tier, id: str) -> Seen | None:
    """Return how far a batch with a source is; None if it is deleted."""
    record = parts.records.read(id)
    if record.deleted_at:
        return None
    progress = parts.runner.progresses.read(id) or Progress()
    where = f"s3://{parts.settings.buckets.output}/{results_of(id)}"
    counts = progress.counts(cancelled=record.cancelled_at is not None)
    return Seen(counts, {**progress.to_public(), "results": where}, progress.over)


def _answer(
    record: BatchRecord, cursor: str, counts: dict[str, int], images: Sequence[Image], **more: object
) -> Response:
    return jsonify(
        id=record.id,
        url=_page(record.id),
        cursor=cursor,
        record=record.to_public(),
        counts=counts,
        cost=tier().costs.of_batch(record.id),
        waits=tier().fleet.waiting().to_json() if counts["waiting"] else None,
        images=[image.to_json() for image in images],
        **more,
    )


def _page(id: str) -> str:
    return url_for("pages.batch", id=id, _external=True)
