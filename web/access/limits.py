"""How much one client may ask for: requests and bytes in a time, images that wait, streams that are open.

Callers are told apart by who they are, so nothing is limited where nobody is asked. What is counted is this process's,
but for requests, bytes and wrong passwords where `ELASTIQ_LIMITS_STORAGE` names a place that several share; while that
does not answer, each process counts for itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, BinaryIO

import structlog
from flask import Flask, g, request
from flask_limiter import ApplicationLimit, Limiter
from limits import RateLimitItem, parse
from limits.errors import ConfigurationError as NoSuchStorage

from app.access.scopes import SUBMIT
from app.errors import ConfigurationError
from app.settings import LimitSettings
from web.access import table
from web.access.backlog import Backlog
from web.access.caller import ANYBODY, Caller
from web.http.bodies import has_body, raw
from web.http.problems import TooMany

log = structlog.get_logger(__name__)

# Wrong passwords from one address in a minute, before others of it are not even tried.
WRONG_PASSWORDS = parse("20 per minute")
# What of a body of unknown length is counted at once.
PIECE_BYTES = 1024 * 1024
# Every request waits for it, so a place that all share answers soon or is done without.
SHARED_TIMEOUT_S = 0.5


def client() -> str:
    """Return who makes the current request, as limits tell callers apart; an address where he did not say."""
    found: Caller = g.get("caller", ANYBODY)
    return found.identity or f"address:{request.remote_addr}"


class Limits:
    """The limits of one application.

    Args:
        settings: how much; 0: as much as anybody likes.
        backlog: the images that wait, by who handed them in.
        on: whether callers are told apart.

    Raises:
        ConfigurationError: there is no such place to count in.
    """

    def __init__(self, settings: LimitSettings, backlog: Backlog, *, on: bool) -> None:
        self._settings, self._backlog = settings, backlog
        self._bytes = parse(f"{settings.bytes} per hour") if settings.bytes else None
        rate = f"{settings.requests} per minute"
        requests = ApplicationLimit(
            rate, exempt_when=_is_open, error_message=f"you have made more than {rate}; try again in a moment"
        )
        self._limiter = Limiter(
            client,
            application_limits=[requests] if settings.requests else [],
            storage_uri=settings.storage,
            storage_options=_options(settings.storage),
            strategy="sliding-window-counter",
            in_memory_fallback_enabled=True,
            swallow_errors=True,
            enabled=on,
        )

    def install(self, app: Flask) -> None:
        """Have every request of ``app`` that the gate lets pass be counted."""
        try:
            self._limiter.init_app(app)
        except NoSuchStorage as err:
            raise ConfigurationError(
                f"ELASTIQ_LIMITS_STORAGE: {err}; for redis:// install elastiq with its extra redis"
            ) from err
        if self._limiter.enabled:
            app.before_request(self._measure)

    def may_try_password(self, address: str) -> bool:
        """Return whether another password from ``address`` is to be tried."""
        return not self._limiter.enabled or self._ask(self._limiter.limiter.test, WRONG_PASSWORDS, "password", address)

    def wrong_password(self, address: str) -> None:
        """Note that one was wrong."""
        if self._limiter.enabled:
            self._ask(self._limiter.limiter.hit, WRONG_PASSWORDS, "password", address)

    def spend(self, size: int) -> None:
        """Count bytes that the current request lets be sent past this process.

        Raises:
            TooMany: they are more than the client may send.
        """
        if self._limiter.enabled:
            self._spend(size, client())

    def _measure(self) -> None:
        most, who = self._settings.images, client()
        submits = table.SCOPE_OF.get(request.endpoint or "") == SUBMIT
        if most and submits and self._backlog.of(who) >= most:
            raise TooMany(f"{most} of your images wait already; try again when some are done", 30)
        if self._bytes is None or not has_body():
            return
        if request.content_length is None:
            request.environ["wsgi.input"] = _Metered(raw(), lambda size: self._spend(size, who))
        else:
            self._spend(request.content_length, who)

    def _spend(self, size: int, who: str) -> None:
        if size and self._bytes and not self._ask(self._limiter.limiter.hit, self._bytes, "bytes", who, cost=size):
            raise TooMany(f"you have sent more than {self._settings.bytes:,} bytes in an hour; try again later", 60)

    def _ask(self, ask: Callable[..., bool], item: RateLimitItem, *identifiers: str, cost: int = 1) -> bool:
        """Return what the place to count in says; where it does not answer, that there is room."""
        try:
            return ask(item, *identifiers, cost=cost)
        except Exception as err:  # each kind of place has errors of its own
            log.error("limits_not_counted", exc_info=err)
            return True


class _Metered:
    """A body of unknown length, counted while it is read. What is read after a refusal, to be thrown away, is not."""

    def __init__(self, stream: BinaryIO, spend: Any) -> None:
        self._stream, self._spend, self._owed, self._refused = stream, spend, 0, False

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(size)
        self._owed += len(data)
        if not self._refused and self._owed and (self._owed >= PIECE_BYTES or not data):
            owed, self._owed = self._owed, 0
            try:
                self._spend(owed)
            except TooMany:
                self._refused = True
                raise
        return data


def _options(storage: str) -> dict[str, Any]:
    """Return what a place to count in is told beside its address."""
    if not storage.startswith(("redis", "valkey")):
        return {}
    return {"socket_connect_timeout": SHARED_TIMEOUT_S, "socket_timeout": SHARED_TIMEOUT_S}


def _is_open() -> bool:
    return table.SCOPE_OF.get(request.endpoint or "", table.OPEN) == table.OPEN
