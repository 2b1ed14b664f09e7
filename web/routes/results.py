"""A batch's results: a table, one JSON object, or a line of JSON for each image."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from flask import Blueprint, Response
from werkzeug.exceptions import Conflict, NotFound

from app.domain import BATCH_ID
from web.access.gate import no_such_batch
from web.batches.batch import Image
from web.batches.export import as_csv, as_lines, as_object
from web.http import known
from web.openapi import shapes
from web.openapi.operations import Answer, operation
from web.sources.runner import why_not_whole
from web.tier import tier

LINES = "application/jsonl"
SAME = Answer("Nothing has changed since the ETag that is named.", media=())

blueprint = Blueprint("results", __name__, url_prefix="/api/batches/<id>")

Write = Callable[[str, Iterable[Image]], Iterator[str]]


@blueprint.get("/results.csv")
@operation({200: Answer("The table.", media=("text/csv",), headers=known.SAYS), 304: SAME}, problems=(404, 409))
def table(id: str) -> Response:
    """Return a batch as a table."""
    return _answer(id, "csv", "text/csv", lambda id, images: as_csv(images))


@blueprint.get("/results.json")
@operation({200: Answer("The results.", shapes.Results, headers=known.SAYS), 304: SAME}, problems=(404, 409))
def one_object(id: str) -> Response:
    """Return a batch's images as one JSON object."""
    return _answer(id, "json", "application/json", as_object)


@blueprint.get("/results.jsonl")
@operation({200: Answer("The lines.", media=(LINES,), headers=known.SAYS), 304: SAME}, problems=(404, 409))
def lines(id: str) -> Response:
    """Return a batch's images as JSON lines, one image in each."""
    return _answer(id, "jsonl", LINES, lambda id, images: as_lines(images))


def _answer(id: str, kind: str, media: str, write: Write) -> Response:
    """Stream a batch's images; its ETag is of what is known of them, and so the same in every web process."""
    images = _images(id)
    etag = known.digest(text for image in images for text in (image.key, image.state, repr(image.outcome)))
    if known.has(etag):
        return known.not_modified(etag)
    answer = Response(write(id, images), mimetype=media)
    answer.headers.set("Content-Disposition", "attachment", filename=f"elastiq-{id}.{kind}")
    answer.headers["Cache-Control"] = known.CACHED
    answer.set_etag(etag)
    return answer


def _images(id: str) -> list[Image]:
    if BATCH_ID.fullmatch(id):
        if tier().records.read(id).source is not None:
            raise Conflict(why_not_whole(tier().settings, id))
        with tier().readers.taken():
            snapshot = tier().feed.snapshot(id)
        if snapshot.counts.total or tier().records.find(id) is not None:
            return snapshot.images
    raise NotFound(no_such_batch(id))
