"""The ways in which a caller shows who he is. Each looks at the current request, and knows him or does not."""

from __future__ import annotations

import re
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from datetime import UTC, datetime
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Protocol

import structlog
from flask import request

from app.access.keys import Key, id_of
from app.access.users import Users
from web.access.caller import Caller, person
from web.http.problems import TooMany
from web.http.seats import Seats

log = structlog.get_logger(__name__)

# For so long a key is known without another look: one that is revoked is good no longer than that.
REMEMBERED_S = 20.0
REMEMBERED = 1000
# Printable, without a comma: by one, servers join headers that come twice, of which one may be the client's own.
_IDENTITY = re.compile(r"[!-+.-~-](?:[ -+.-~-]{0,126}[!-+.-~-])?")


class Way(Protocol):
    """One of them."""

    def caller(self) -> Caller | None:
        """Return who makes the current request; None where this way does not tell."""


class ByKey:
    """By an API key: as a bearer's token, or as the password of any user, which browsers and ``curl -u`` can send.

    Args:
        find: looks a key up by its id.
        now: the time, UTC.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        find: Callable[[str], Key | None],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._find, self._now, self._clock = find, now, clock
        self._lock = threading.Lock()
        # What was found, if anything was, and until when that is believed.
        self._found: OrderedDict[str, tuple[Key | None, float]] = OrderedDict()

    def caller(self) -> Caller | None:
        """Return whose key it is.

        Raises:
            TransientError, ConfigurationError: the bucket that keeps keys does not answer.
        """
        text = _token()
        id = id_of(text)
        if id is None:
            return None
        key = self._key(id)
        if key is None or not key.opens_with(text, self._now()):
            log.warning("key_refused", key=id, known=key is not None, address=request.remote_addr)
            return None
        return Caller(f"keys:{key.name}", key.scopes)

    def _key(self, id: str) -> Key | None:
        with self._lock:
            found, until = self._found.get(id, (None, 0.0))
        if self._clock() < until:
            return found
        until = self._clock() + REMEMBERED_S
        found = self._find(id)
        with self._lock:
            self._found[id] = found, until
            self._found.move_to_end(id)
            if len(self._found) > REMEMBERED:
                self._found.popitem(last=False)
        return found


class Tries(Protocol):
    """Wrong passwords, counted by address."""

    def may_try_password(self, address: str) -> bool:
        """Return whether another password from ``address`` is to be tried."""

    def wrong_password(self, address: str) -> None:
        """Note that one was wrong."""


class ByPassword:
    """By a name and a password (HTTP's Basic).

    Args:
        users: who there is.
        operators: who of them may operate.
        tries: how many wrong passwords came from where; none: they are not counted.
    """

    def __init__(self, users: Users, operators: frozenset[str], tries: Tries | None = None) -> None:
        self._users, self._operators, self._tries = users, operators, tries
        # Each holds a core for a moment.
        self._seats = Seats(2, "too many passwords are being checked; try again")

    def caller(self) -> Caller | None:
        """Return the user.

        Raises:
            Busy: too many passwords are being checked already.
            TooMany: too many from this address were wrong.
        """
        given = request.authorization
        name, password = (given.username, given.password) if given and given.type == "basic" else (None, None)
        if not name or not password or id_of(password):
            return None
        if not self._users.know(name, password):
            address = str(request.remote_addr)
            if self._tries and not self._tries.may_try_password(address):
                raise TooMany("too many wrong passwords came from your address; try again in a minute", 60)
            with self._seats.taken():
                right = self._users.check(name, password)
            if not right:
                if self._tries:
                    self._tries.wrong_password(address)
                log.warning("password_refused", address=request.remote_addr)
                return None
        return person(f"basic:{name}", self._operators)


class ByProxy:
    """By what a proxy says in a header, which asks people who they are; nobody else is believed.

    Args:
        header: its name.
        proxies: where such proxies are.
        operators: who may operate.
    """

    def __init__(self, header: str, proxies: list[IPv4Network | IPv6Network], operators: frozenset[str]) -> None:
        self._header, self._proxies, self._operators = header, proxies, operators

    def caller(self) -> Caller | None:
        """Return who the proxy says it is."""
        said = request.headers.getlist(self._header)
        if not said:
            return None
        if len(said) > 1 or not _IDENTITY.fullmatch(said[0]) or not self._is_proxy(peer()):
            log.warning("header_refused", header=self._header, address=peer())
            return None
        return person(f"proxy:{said[0]}", self._operators)

    def _is_proxy(self, address: str) -> bool:
        try:
            found = ip_address(address.partition("%")[0])
        except ValueError:
            return False
        found = getattr(found, "ipv4_mapped", None) or found
        return any(found in network for network in self._proxies)


def peer() -> str:
    """Return the address of who is connected, whatever ``X-Forwarded-For`` says."""
    before = request.environ.get("werkzeug.proxy_fix.orig", {})
    return str(before.get("REMOTE_ADDR") or request.environ.get("REMOTE_ADDR") or "")


def _token() -> str:
    given = request.authorization
    if given is None:
        return ""
    if given.type == "bearer":
        return given.token or ""
    return given.password or "" if given.type == "basic" else ""
