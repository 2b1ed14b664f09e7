"""One image of a batch: a small picture of it, and its life."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify
from werkzeug.exceptions import NotFound

from web.access.gate import checked
from web.batches.preview import LARGE, TILE
from web.http import known
from web.http.security import CONTENT_POLICY
from web.openapi import shapes
from web.openapi.operations import Answer, operation
from web.openapi.parameters import Choice
from web.tier import tier

SIZE = Choice(name="size", says="How large a picture: 400 or 1600 pixels a side, at most.", words=("tile", "large"))

SAME = Answer("It is the one that `If-None-Match` names.", media=())

blueprint = Blueprint("images", __name__, url_prefix="/api/batches")


@blueprint.get("/<id>/images/<path:path>")
@operation(
    {200: Answer("The picture.", media=("image/jpeg",), headers=known.SAYS), 304: SAME},
    problems=(404, 422),
    takes=(SIZE,),
)
def picture(id: str, path: str) -> Response:
    """Return a small picture of an image, or with ``?size=large`` a larger one; never the bytes that were uploaded."""
    side = LARGE if SIZE.read() == "large" else TILE
    etag = known.digest((checked(id), path, str(side)))
    if known.has(etag):
        return known.not_modified(etag)
    drawn, content_type = tier().previews.draw(f"{id}/{path}", side)
    answer = Response(drawn, mimetype=content_type)
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
        found = tier().lives.read(f"{checked(id)}/{path}")
    if found is None:
        raise NotFound(f"there is no image {path[:80]!r} in batch {id!r}")
    answer = jsonify(found)
    answer.headers["Cache-Control"] = "no-store"
    return answer
