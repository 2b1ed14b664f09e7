"""A batch's results: a table, one JSON object, or a line of JSON for each image."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from flask import Blueprint, Response
from werkzeug.exceptions import Conflict, NotFound

from web.access.gate import checked, no_such_batch
from web.batches.batch import Image
from web.batches.export import as_csv, as_lines, as_object
from web.http import known
from web.openapi import shapes
from web.openapi.operations import Answer, operation
from web.sources.results import why_not_whole
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
    images, etag = _sourced(id) if _has_source(id) else _uploaded(id)
    if known.has(etag):
        return known.not_modified(etag)
    answer = Response(write(id, images), mimetype=media)
    answer.headers.set("Content-Disposition", "attachment", filename=f"elastiq-{id}.{kind}")
    answer.headers["Cache-Control"] = known.CACHED
    answer.set_etag(etag)
    return answer


def _has_source(id: str) -> bool:
    return tier().records.read(checked(id)).source is not None


def _uploaded(id: str) -> tuple[Iterable[Image], str]:
    """Return a batch's images, and their ETag."""
    with tier().readers.taken():
        snapshot = tier().feed.snapshot(id)
    if not snapshot.counts.total and tier().records.find(id) is None:
        raise NotFound(no_such_batch(id))
    told = (text for image in snapshot.images for text in (image.key, image.state, repr(image.outcome)))
    return snapshot.images, known.digest(told)


def _sourced(id: str) -> tuple[Iterable[Image], str]:
    """Return the same of a batch with a source, once its results are written; they are read file by file."""
    progress = tier().runner.progresses.read(id)
    if progress is None or not progress.complete:
        raise Conflict(why_not_whole(tier().settings, id))
    return tier().runner.results.read(id, progress.parts), known.digest((id, repr(progress)))
