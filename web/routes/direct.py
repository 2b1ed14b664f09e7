"""Uploads that go past this process: the forms by which clients put files into the bucket, and what became of these."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import structlog
from flask import Blueprint, Response, jsonify
from werkzeug.exceptions import BadRequest, NotFound

from app.batches.record import BULK, BatchRecord
from web.access.caller import caller
from web.access.gate import checked
from web.access.limits import client
from web.http import known
from web.http.bodies import json_object
from web.http.problems import stored_in
from web.openapi import shapes
from web.openapi.operations import JSON, Answer, Body, operation
from web.tier import tier
from web.uploads.addable import addable
from web.uploads.receipt import receipt, rejected
from web.uploads.staging import MOST_COMPLETED, MOST_INVITED, UPLOAD, Staged, Staging

log = structlog.get_logger(__name__)

# A thousand sizes, and a hundred paths of which JSON writes each character as six.
SIZES_BYTES, FILES_BYTES = 64 * 1024, 1024 * 1024
FIELD = "files"

blueprint = Blueprint("direct", __name__, url_prefix="/api/batches/<id>/uploads")


@blueprint.post("")
@operation(
    {201: Answer("A form for each file, good for ten minutes.", shapes.Uploads)},
    problems=(404, 409, 413),
    body=Body("The files' sizes.", {JSON: shapes.WantedUploads}),
)
def invite(id: str) -> tuple[Response, int]:
    """Get forms by which files can be put into the bucket, where the server has that turned on."""
    staging, _ = _open(id)
    wrong = f"sizes must be a list of 1 to {MOST_INVITED} whole numbers, the files' bytes"
    sizes = _listed(json_object(SIZES_BYTES, "the sizes have").get("sizes"), MOST_INVITED, wrong)
    if not all(type(size) is int and size >= 0 for size in sizes):
        raise BadRequest(wrong)
    invited = staging.invite(id, sizes, datetime.now(UTC))
    tier().limits.spend(sum(upload["bytes"] for upload in invited["uploads"]))
    answer = jsonify(invited)
    answer.headers["Cache-Control"] = "no-store"
    return answer, 201


@blueprint.post("/complete")
@operation(
    {201: Answer("All images among them are stored and queued.", shapes.Receipt)},
    problems=(404, 409, 413, 422),
    body=Body("Files that were put into the bucket.", {JSON: shapes.CompletedUploads}),
)
def complete(id: str) -> tuple[Response, int]:
    """Add files to a batch that were put into the bucket by its forms. Asked again, it says the same."""
    staging, record = _open(id)
    files = _files(json_object(FILES_BYTES, "the files have").get("files"))
    named = known.digest(text for file in files for text in (file.upload, file.path))

    def take(batch: str) -> tuple[dict[str, Any], str]:
        with tier().bodies.taken(), stored_in(id):
            taken = tier().intake.take(id, staging.parts(id, files, FIELD), 0 if record.priority == BULK else None)
        tier().backlog.add(client(), [image.key for image in taken if image.outcome is None])
        log.info("upload_taken", batch=id, files=len(taken), rejected=rejected(taken), direct=True)
        return receipt(id, taken), named

    told = tier().once.answer(caller().identity, f"uploads {id} {named}", id, take, lambda: named)
    staging.clear(id, files)  # only now: whoever had no answer asks again
    return jsonify(told), 201


def _open(id: str) -> tuple[Staging, BatchRecord]:
    checked(id)
    staging = tier().staging
    if staging is None:
        raise NotFound(f"this server takes no direct uploads; send the files to POST /api/batches/{id}/images")
    return staging, addable(tier().records.read(id))


def _files(found: object) -> list[Staged]:
    wrong = f"files must be a list of 1 to {MOST_COMPLETED} objects with upload, as it was named here, and path"
    files = []
    for one in _listed(found, MOST_COMPLETED, wrong):
        if not isinstance(one, dict) or not all(isinstance(one.get(name), str) for name in ("upload", "path")):
            raise BadRequest(wrong)
        if not re.fullmatch(UPLOAD, one["upload"]):
            raise BadRequest(wrong)
        # Half a character, which JSON can hold, is shown as it can be, as in a form.
        files.append(Staged(one["upload"], one["path"].encode(errors="replace").decode()))
    return files


def _listed(found: object, most: int, wrong: str) -> list[Any]:
    if not isinstance(found, list) or not 0 < len(found) <= most:
        raise BadRequest(wrong)
    return found
