"""What every request and answer is held to: headers that keep a page to its own, and no orders from other sites."""

from __future__ import annotations

from flask import Flask, Response, request
from werkzeug.exceptions import Forbidden

from web.http.gunicorn_internals import connection
from web.http.pace import SLOWEST, STALLED_S, PacedSocket

# Everything comes from here, nothing is inline; `blob:` is a file of the user's own before it is uploaded.
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
# For what came from users: nothing at all may run or load.
CONTENT_POLICY = "default-src 'none'; sandbox"

HEADERS = {
    "Content-Security-Policy": PAGE_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # A batch's address is all that is needed to see it: it is nobody else's business.
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


def install(app: Flask) -> None:
    """Hold every request and answer of ``app`` to the rules."""
    app.before_request(_refuse_other_sites)
    app.before_request(_limit_stalls)
    app.after_request(_add_headers)


def _refuse_other_sites() -> None:
    site = request.headers.get("Sec-Fetch-Site", "none")
    if request.method not in {"GET", "HEAD", "OPTIONS"} and site not in {"none", "same-origin"}:
        raise Forbidden("another site's page must not upload here; use this site's page, the API or the command line")


def _limit_stalls() -> None:
    if isinstance(client := connection(), PacedSocket):
        client.wait_at_most(STALLED_S, SLOWEST)


def _add_headers(answer: Response) -> Response:
    for name, value in HEADERS.items():
        answer.headers.setdefault(name, value)
    return answer
