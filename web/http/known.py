"""Answers that their client may have already: an ETag on each, and 304 without a body for one that it names."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from flask import Response, request

# Private, and looked for anew each time.
CACHED = "private, no-cache"
SAYS = {"ETag": "What `If-None-Match` takes, to be answered with 304 while this is the same."}


def digest(parts: Iterable[str]) -> str:
    """Return a short text that is another one where the parts are others."""
    found = hashlib.sha256()
    for part in parts:
        data = part.encode()
        found.update(b"%d:" % len(data) + data)
    return found.hexdigest()[:32]


def has(etag: str) -> bool:
    """Return whether the current request's client has what ``etag`` is the digest of."""
    return etag in request.if_none_match


def not_modified(etag: str) -> Response:
    """Return the answer to a client that has it."""
    answer = Response(status=304)
    answer.set_etag(etag)
    return answer


def judged(answer: Response) -> Response:
    """Return an answer, whose body is there, with its ETag, or 304 in its place."""
    answer.headers["Cache-Control"] = CACHED
    answer.add_etag()
    answer.make_conditional(request)
    return answer
