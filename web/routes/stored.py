"""The files that a batch has, for whoever goes on with an upload: what is there need not be sent again."""

from __future__ import annotations

from itertools import islice

from flask import Blueprint, Response, jsonify
from werkzeug.exceptions import NotFound

from app.domain import BATCH_ID, path_of
from web.access.gate import no_such_batch
from web.openapi import shapes
from web.openapi.operations import Answer, operation
from web.openapi.parameters import Text
from web.tier import tier

# Five lists of S3, and half a megabyte.
MOST = 5_000
AFTER = Text(name="after", says="A path: only files behind it.", longest=1024)

blueprint = Blueprint("stored", __name__, url_prefix="/api/batches")


@blueprint.get("/<id>/stored")
@operation({200: Answer("Its files, 5,000 at most.", shapes.StoredFiles)}, problems=(404,), takes=(AFTER,))
def stored(id: str) -> Response:
    """Return the stored files of a batch behind ``?after=PATH``, by path, and where the next answer begins."""
    if not BATCH_ID.fullmatch(id):
        raise NotFound(no_such_batch(id))
    after = AFTER.read()
    with tier().readers.taken():
        found = list(islice(tier().storage.images(id, f"{id}/{after}" if after else ""), MOST))
    files = [
        {"key": one.key, "path": path_of(one.key), "size": one.size, "stored_at": one.stored_at.isoformat()}
        for one in found
    ]
    answer = jsonify(id=id, files=files, next=found[-1].key.partition("/")[2] if len(found) == MOST else None)
    answer.headers["Cache-Control"] = "no-store"
    return answer
