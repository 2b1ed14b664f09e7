"""Errors as RFC 9457 problem JSON: one table from our exceptions to HTTP, and the same form for everything else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any

import structlog
from flask import Flask, Response, g, request
from werkzeug.exceptions import HTTPException

from app.errors import (
    ConfigurationError,
    ElastiqError,
    ImageExists,
    ImageNotFound,
    InvalidImage,
    PermanentError,
    TransientError,
)
from web.http import identity

log = structlog.get_logger(__name__)

MIME_TYPE = "application/problem+json"
RETRY_AFTER_S = 5

# The nearest class in an error's ancestry counts.
STATUS: dict[type[ElastiqError], HTTPStatus] = {
    InvalidImage: HTTPStatus.UNPROCESSABLE_ENTITY,
    ImageNotFound: HTTPStatus.NOT_FOUND,
    ImageExists: HTTPStatus.CONFLICT,
    PermanentError: HTTPStatus.BAD_REQUEST,
    ConfigurationError: HTTPStatus.INTERNAL_SERVER_ERROR,
    TransientError: HTTPStatus.SERVICE_UNAVAILABLE,
    ElastiqError: HTTPStatus.INTERNAL_SERVER_ERROR,
}


class Busy(HTTPException):
    """All places of a kind are taken; the client may try again, or take another way."""

    code = HTTPStatus.SERVICE_UNAVAILABLE


class TooMany(HTTPException):
    """This client asks for more than it may have; it may try again after ``retry_after_s`` seconds."""

    code = HTTPStatus.TOO_MANY_REQUESTS

    def __init__(self, detail: str, retry_after_s: int = RETRY_AFTER_S) -> None:
        super().__init__(detail)
        self._retry_after_s = retry_after_s

    def get_headers(self, *arguments: Any, **options: Any) -> list[tuple[str, str]]:
        """Return the answer's headers; they say when to try again."""
        return [*super().get_headers(*arguments, **options), ("Retry-After", str(self._retry_after_s))]


def install(app: Flask) -> None:
    """Answer every error of ``app`` as a problem."""
    app.register_error_handler(ElastiqError, _ours)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(Exception, _unforeseen)


def problem(status: int, detail: str, **more: object) -> Response:
    """Return a problem; ``detail`` says what is wrong and what to do about it."""
    where = {name: g.get(name) for name in ("batch", "request_id") if name in g}
    answer = Response(_body(status, detail, **where, **more), int(status), mimetype=MIME_TYPE)
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        answer.headers["Retry-After"] = str(RETRY_AFTER_S)
    return answer


def on_the_wire(status: HTTPStatus, detail: str) -> bytes:
    """Return a problem as HTTP has it, for a connection that no request was read from and that ends with this."""
    body = _body(status, detail).encode()
    retry = f"Retry-After: {RETRY_AFTER_S}\r\n" if status == HTTPStatus.SERVICE_UNAVAILABLE else ""
    ours = "".join(f"{name}: {value}\r\n" for name, value in identity.of_none().items())
    head = (
        f"HTTP/1.1 {int(status)} {status.phrase}\r\nContent-Type: {MIME_TYPE}\r\nContent-Length: {len(body)}\r\n"
        f"{retry}{ours}X-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body


@contextmanager
def stored_in(batch: str) -> Iterator[None]:
    """Have a problem that comes up within name the batch: what was stored is there, and the rest can be sent there."""
    g.batch = batch
    yield
    del g.batch


def status_of(error: ElastiqError) -> HTTPStatus:
    """Return what the table says of ``error``."""
    return next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)


def _body(status: int, detail: str, **more: object) -> str:
    title = HTTPStatus(status).phrase
    return json.dumps({"type": "about:blank", "title": title, "status": int(status), "detail": detail, **more}) + "\n"


def _ours(error: ElastiqError) -> Response:
    status = status_of(error)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        log.error("request_failed", path=request.path, status=int(status), reason=str(error))
    return problem(status, str(error))


def _http(error: HTTPException) -> Response:
    answer = problem(error.code or HTTPStatus.INTERNAL_SERVER_ERROR, error.description or "")
    for name, value in error.get_headers():
        if name.lower() not in {"content-type", "content-length"}:
            answer.headers.add(name, value)  # there may be more of a name, as of WWW-Authenticate
    if error.code == HTTPStatus.TOO_MANY_REQUESTS:
        answer.headers.setdefault("Retry-After", str(RETRY_AFTER_S))
    return answer


def _unforeseen(error: Exception) -> Response:
    log.error("request_broke", path=request.path, exc_info=error)
    return problem(HTTPStatus.INTERNAL_SERVER_ERROR, "this is a fault of ours; the web tier's log says more")
