"""What every answer says of itself: which request it is of, as the log's lines and problems do, and by which API."""

from __future__ import annotations

import re
import secrets

from flask import Flask, Response, g, request
from structlog.contextvars import bind_contextvars, clear_contextvars
from werkzeug.exceptions import BadRequest

REQUEST_ID, VERSION_HEADER = "X-Request-Id", "Elastiq-Version"
# What docs/http-api.md promises of it holds until this changes.
VERSION = "1"
HEADERS = {
    REQUEST_ID: "The request's id: the client's own, or one made here. The log has it, and problems do.",
    VERSION_HEADER: "The version of the API.",
}
_SANE = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}")


def of_none() -> dict[str, str]:
    """Return the headers of an answer to what was no request yet."""
    return {REQUEST_ID: secrets.token_hex(8), VERSION_HEADER: VERSION}


def install(app: Flask) -> None:
    """Have every request of ``app`` known by an id, and every answer say it and the API's version."""
    app.before_request(_name)
    app.before_request(_refuse_other_versions)
    app.after_request(_add_headers)


def _name() -> None:
    given = request.headers.get(REQUEST_ID, "")
    g.request_id = given if _SANE.fullmatch(given) else secrets.token_hex(8)
    # The thread's last request may have left its own.
    clear_contextvars()
    bind_contextvars(request_id=g.request_id)


def _refuse_other_versions() -> None:
    wanted = request.headers.get(VERSION_HEADER, VERSION)
    if wanted != VERSION:
        raise BadRequest(
            f"version {wanted[:20]!r} of the API is not served here; leave {VERSION_HEADER} out, or send {VERSION}"
        )


def _add_headers(answer: Response) -> Response:
    answer.headers[VERSION_HEADER] = VERSION
    if "request_id" in g:
        answer.headers[REQUEST_ID] = g.request_id
    return answer
