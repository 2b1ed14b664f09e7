"""What every request and answer is held to: headers that keep a page to its own, no false names, no foreign orders."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

from flask import Flask, Response, request
from werkzeug.exceptions import Forbidden, HTTPException

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


class Misdirected(HTTPException):
    """The request is for another host than this one."""

    code = 421


def install(app: Flask, is_ours: Callable[[str], bool] = lambda name: True, uploads_to: str = "") -> None:
    """Hold every request and answer of ``app`` to the rules.

    Args:
        app: the application.
        is_ours: says whether this server may be called by a name. Another site could have its own lead here.
        uploads_to: another origin that pages may send files to.
    """

    def refuse_other_names() -> None:
        name = _name_of(request.host)
        if name and not is_ours(name):
            raise Misdirected(f"this server is not called {name[:80]!r}; name it in ELASTIQ_HOSTS if it should be")

    headers = dict(HEADERS)
    if uploads_to:
        headers["Content-Security-Policy"] = PAGE_POLICY.replace(
            "connect-src 'self'", f"connect-src 'self' {uploads_to}"
        )

    def add_headers(answer: Response) -> Response:
        for name, value in headers.items():
            answer.headers.setdefault(name, value)
        return answer

    app.before_request(refuse_other_names)
    app.before_request(_refuse_other_sites)
    app.before_request(_limit_stalls)
    app.after_request(add_headers)


def _refuse_other_sites() -> None:
    if request.method in {"GET", "HEAD", "OPTIONS"}:
        return
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    # Browsers say the first only to addresses by https and on loopback, the second always; programs say neither.
    ours = site in {"none", "same-origin"} if site else origin is None or urlsplit(origin).netloc == request.host
    if not ours:
        raise Forbidden("another site's page must not upload here; use this site's page, the API or the command line")


def _name_of(host: str) -> str:
    """Return a host's name without its port."""
    return host if host.endswith("]") else host.rpartition(":")[0] or host


def _limit_stalls() -> None:
    if isinstance(client := connection(), PacedSocket):
        client.wait_at_most(STALLED_S, SLOWEST)
