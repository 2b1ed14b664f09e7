"""The gate before all routes: it asks who calls, and lets him have what his scopes allow."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import structlog
from flask import Flask, g, request
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import Forbidden, NotFound, Unauthorized
from werkzeug.routing import RequestRedirect

from app.domain import BATCH_ID
from web.access import table
from web.access.caller import ANYBODY, Caller
from web.access.ways import Way

log = structlog.get_logger(__name__)

# A text of several words, as browsers show it; it is quoted for them too.
REALM = "Elastiq, by a name and a password, or by an API key as the password"


class Led(RequestRedirect):
    """The caller is led elsewhere, for now: browsers keep in mind what a redirection for good said."""

    code = 302


def no_such_batch(id: str) -> str:
    """Return what to tell who asks for a batch that is not there, or not his."""
    return f"there is no batch {id[:80]!r}; its id is in the answer to the upload and in the page's address"


def checked(id: str) -> str:
    """Return a batch's id as it came.

    Raises:
        NotFound: it is no batch's id.
    """
    if not BATCH_ID.fullmatch(id):
        raise NotFound(no_such_batch(id))
    return id


class Gate:
    """The gate of one application.

    Args:
        ways: how a caller may show who he is; none: nobody is asked.
        challenges: what a caller who has not done so is told to send, such as ``basic``.
        may_see: says whether a caller may have anything to do with the batch of an id.
        sign_in: returns the address at which who has not said who he is does so, if he is to be led there.
    """

    def __init__(
        self,
        ways: Sequence[Way],
        challenges: Sequence[str] = (),
        may_see: Callable[[Caller, str], bool] = lambda caller, id: True,
        sign_in: Callable[[], str | None] | None = None,
    ) -> None:
        self._ways, self._may_see, self._sign_in = ways, may_see, sign_in
        self._challenges = [WWWAuthenticate(kind, {"realm": REALM}) for kind in challenges]

    def install(self, app: Flask) -> None:
        """Have every request of ``app`` pass here, before its route and what else looks at it from here on."""
        app.before_request(self._judge)

    def _judge(self) -> None:
        if request.endpoint is None:
            return  # there is nothing there; that is told to anybody
        scope = table.SCOPE_OF.get(request.endpoint, "")
        g.caller = found = ANYBODY if scope == table.OPEN or not self._ways else self._caller()
        if scope != table.OPEN and scope not in found.scopes:
            log.warning("scope_refused", caller=found.identity, path=request.path, scope=scope)
            raise Forbidden(f"this needs the scope {scope!r}, which you have not; ask who runs this for it")
        # What is done with a batch has its id in its path. But the page at it is the same for all.
        id = (request.view_args or {}).get("id")
        if id is not None and request.path.startswith("/api/") and not self._may_see(found, id):
            raise NotFound(no_such_batch(id))

    def _caller(self) -> Caller:
        for way in self._ways:
            if (found := way.caller()) is not None:
                return found
        if self._sign_in and (address := self._sign_in()):
            raise Led(address)
        raise Unauthorized(
            "say who you are: send an API key (Authorization: Bearer …, or as the password), or sign in",
            www_authenticate=self._challenges,
        )
