"""A request's head as it arrives, judged by its first bytes: whole, still to come, or none that is ever taken. Pure."""

from __future__ import annotations

from http import HTTPStatus

# What a head may have in all; gunicorn's own bounds are for each line.
HEAD_BYTES = 64 * 1024

_END = b"\r\n\r\n"


class RefusedHead(Exception):
    """No more of this head is waited for.

    Attributes:
        status: what it is answered with.
    """

    def __init__(self, status: HTTPStatus, detail: str) -> None:
        super().__init__(detail)
        self.status = status


def is_whole(begun: bytes) -> bool:
    """Return whether ``begun`` has a request's whole head; it may have some of what follows too.

    Args:
        begun: all that has come, at least up to `HEAD_BYTES`.

    Raises:
        RefusedHead: it is too large, or its lines do not end as HTTP's do, so that it would never be whole.
    """
    # One empty line may come before a request, as RFC 9112 has it; a second one is a request's line, if a bad one.
    head = begun.removeprefix(b"\r\n")
    if _END in head or head.startswith(b"\r\n"):
        return True
    if head.count(b"\n") != head.count(b"\r\n"):
        raise RefusedHead(HTTPStatus.BAD_REQUEST, "a line of the request's head ends in LF alone; end each in CR LF")
    if len(begun) < HEAD_BYTES:
        return False
    if b"\r\n" in head:
        raise RefusedHead(
            HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
            f"the request's head has more than {HEAD_BYTES} bytes; send fewer or shorter headers",
        )
    raise RefusedHead(HTTPStatus.REQUEST_URI_TOO_LONG, "the request's first line is too long; shorten the address")
