"""The gate as the settings want it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_network

import structlog
from flask import request, url_for

from app.access.keys import KeyStore
from app.access.users import Users
from app.batches.record import BatchRecord
from app.domain import BATCH_ID
from app.errors import ConfigurationError
from app.process.address import is_loopback
from app.settings import AccessSettings, Settings
from web.access.caller import Caller
from web.access.gate import Gate
from web.access.oidc import BySession
from web.access.ways import ByKey, ByPassword, ByProxy, Tries, Way

log = structlog.get_logger(__name__)

PAGES = frozenset({"pages.index", "pages.batch", "monitor.page"})


def build(settings: Settings, find: Callable[[str], BatchRecord | None], tries: Tries | None = None) -> Gate:
    """Return the gate.

    Args:
        settings: how callers show who they are, and whether batches are shared.
        find: returns the record of a batch, if it has one.
        tries: counts wrong passwords.

    Raises:
        ConfigurationError: a way lacks what it needs.
    """
    access = settings.access
    made: dict[str, Way] = {name: _way(name, settings, tries) for name in access.ways}
    # A browser that is told of Basic asks for a name and a password itself.
    # But not where people sign in with a provider: to that they are led.
    asks = "basic" in made or ("keys" in made and "oidc" not in made)
    challenges = [*(["basic"] if asks else []), *(["bearer"] if "keys" in made else [])]

    def may_see(caller: Caller, id: str) -> bool:
        if access.shared or not BATCH_ID.fullmatch(id) or caller.sees_all:
            return True  # what is no id at all is the route's to say
        record = find(id)
        return record is not None and (record.shared or record.owner == caller.identity)

    return Gate(list(made.values()), challenges, may_see, _led_to_sign_in if "oidc" in made else None)


def _led_to_sign_in() -> str | None:
    """Return where to sign in, for who looks at a page; None for a program, which is told instead."""
    if request.method != "GET" or request.endpoint not in PAGES:
        return None
    return url_for("sign_in.begin", next=request.full_path.removesuffix("?"))


def check_door(settings: Settings) -> None:
    """Refuse to be reached from other machines by anybody, unless that was said to be meant.

    Raises:
        ConfigurationError: it was not said.
    """
    host, access = settings.web.host, settings.access
    if access.ways or is_loopback(host):
        return
    if not access.auth:
        raise ConfigurationError(
            f"ELASTIQ_HOST={host} is reached from other machines, and nobody would be asked who they are: set "
            "ELASTIQ_AUTH to keys, basic, proxy or oidc; or to off, if something else keeps strangers out"
        )
    log.warning("nobody_is_asked", host=host, reason="ELASTIQ_AUTH=off: who reaches this port may do everything")


def _way(name: str, settings: Settings, tries: Tries | None) -> Way:
    access = settings.access
    if name == "keys":
        return ByKey(KeyStore(settings).find)
    if name == "oidc":
        return BySession(access.operators)
    if name == "basic":
        if not access.users:
            raise ConfigurationError(
                "ELASTIQ_AUTH=basic needs ELASTIQ_AUTH_USERS, a file; `elastiq password` makes its lines"
            )
        return ByPassword(Users.of_file(access.users), access.operators, tries)
    if not access.proxies:
        raise ConfigurationError(
            "ELASTIQ_AUTH=proxy needs ELASTIQ_AUTH_PROXIES, the addresses of proxies to believe, such as 10.0.1.0/24"
        )
    return ByProxy(access.header, _networks(access), access.operators)


def _networks(access: AccessSettings) -> list[IPv4Network | IPv6Network]:
    return [_network(text) for text in _split(access.proxies)]


def _network(text: str) -> IPv4Network | IPv6Network:
    try:
        return ip_network(text, strict=False)
    except ValueError as err:
        raise ConfigurationError(f"ELASTIQ_AUTH_PROXIES={text!r} is no address or network ({err})") from err


def _split(text: str) -> Sequence[str]:
    return [part.strip() for part in text.split(",") if part.strip()]
