"""A request's body, as far as it can be taken: what it is wrapped in, and whether anybody knows where it ends."""

from __future__ import annotations

from typing import Any, BinaryIO, cast

from flask import request
from werkzeug.exceptions import BadRequest, LengthRequired, RequestEntityTooLarge, UnsupportedMediaType
from werkzeug.exceptions import NotImplemented as NotUnderstood

from app.process.objects import parse

# What is read of one at once.
READ_BYTES = 64 * 1024


class Compressed(UnsupportedMediaType):
    """The body is encoded in a way that is not taken."""

    def get_headers(self, *arguments: Any, **options: Any) -> list[tuple[str, str]]:
        """Return the answer's headers; they say what is taken, as RFC 9110 asks."""
        return [*super().get_headers(*arguments, **options), ("Accept-Encoding", "identity")]


def has_body() -> bool:
    """Return whether the current request says that something comes behind its head."""
    return bool(request.content_length) or "Transfer-Encoding" in request.headers


def body() -> BinaryIO:
    """Return the current request's body, as it comes from the server, which knows its end.

    Raises:
        Compressed: its sender has compressed it.
        NotUnderstood: it is sent in another way than in chunks.
        LengthRequired: nothing says how long it is.
    """
    coding = request.headers.get("Content-Encoding", "identity")
    if coding.lower() != "identity":
        raise Compressed(f"the body is compressed ({coding}); send it as it is, without Content-Encoding")
    transfer = request.headers.get("Transfer-Encoding", "chunked")
    if transfer.strip().lower() != "chunked":
        raise NotUnderstood(f"Transfer-Encoding {transfer!r} is not understood; send the body as it is, or chunked")
    if not has_body() and request.content_length is None:
        raise LengthRequired("nothing says how long the body is; send a Content-Length, or send it chunked")
    return raw()


def json_object(most_bytes: int, what: str) -> dict[str, Any]:
    """Return the current request's body, a JSON object.

    Args:
        most_bytes: it has at most.
        what: it is, in words for its sender.

    Raises:
        RequestEntityTooLarge: it has more.
        BadRequest: it is something else.
    """
    text = body().read(most_bytes + 1) if (request.content_length or 0) <= most_bytes else None
    if text is None or len(text) > most_bytes:
        raise RequestEntityTooLarge(f"{what} {most_bytes} bytes at most")
    try:
        return parse(text)
    except ValueError as err:
        raise BadRequest(f"the body is no JSON object: {err}") from err


def raw() -> BinaryIO:
    """Return the same, whatever it is.

    werkzeug's own stream would take whatever goes wrong with the connection, a client that stalls too, for the
    client's having gone.
    """
    return cast(BinaryIO, request.environ["wsgi.input"])
