"""Signing in with an OpenID Connect provider, and out; where there is none, neither is there."""

from __future__ import annotations

from flask import Blueprint, Response, redirect, session, url_for
from werkzeug.exceptions import NotFound

from web.access.oidc import Provider
from web.openapi.operations import Answer, operation
from web.openapi.parameters import Text
from web.tier import tier

NEXT = Text(name="next", says="The path to go to afterwards.", longest=1024)
ELSEWHERE = Answer("It goes on there.", media=(), headers={"Location": "Where."})

blueprint = Blueprint("sign_in", __name__)


@blueprint.get("/sign-in")
@operation({302: ELSEWHERE}, problems=(404,), takes=(NEXT,))
def begin() -> Response:
    """Lead to the provider, which asks who it is."""
    after = NEXT.read() or url_for("pages.index")
    # A path of this server's: what a browser would take for another server's address is none.
    ours = after.startswith("/") and not after.startswith(("//", "/\\")) and after.isprintable()
    return _provider().begin(url_for("sign_in.finish", _external=True), after if ours else url_for("pages.index"))


@blueprint.get("/sign-in/done")
@operation({302: ELSEWHERE}, problems=(404,))
def finish() -> Response:
    """Take what the provider says, and lead to the page."""
    return _provider().finish()


@blueprint.post("/sign-out")
@operation({302: ELSEWHERE}, problems=(404,))
def end() -> Response:
    """Forget who it was."""
    _provider()
    session.clear()
    return redirect(url_for("pages.index"))  # type: ignore[return-value]


def _provider() -> Provider:
    found = tier().provider
    if found is None:
        raise NotFound("nobody signs in here with a provider; ELASTIQ_AUTH says how callers show who they are")
    return found
