"""Whom a webhook may reach, and what it says: listed addresses, in signed messages. Pure.

A batch's maker gives the address, so it is not to be trusted: it could name what only this host can reach.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from urllib.parse import urlsplit

from app.errors import PermanentError

LONGEST_URL = 1000
SIGNATURE, TIMESTAMP, MESSAGE_ID = "Elastiq-Signature", "Elastiq-Timestamp", "Elastiq-Message-Id"
_PORTS = {"https": 443, "http": 80}
# By these, an IPv4 address is reached through a translator.
_TRANSLATED = IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/48")


class HookRefused(PermanentError):
    """No webhook may go there; the message says why."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where a webhook goes.

    Attributes:
        scheme: ``https``, or ``http`` where that is listed.
        host: a name or an address, as it is listed.
        port: of it.
        path: with the query.
    """

    scheme: str
    host: str
    port: int
    path: str


def target(url: str, allowed: str) -> Target:
    """Return where a webhook's address leads.

    Args:
        url: as a batch's maker gave it.
        allowed: the hosts that are listed, comma-separated: ``host``, ``host:port``, or ``http://host:port``.

    Raises:
        HookRefused: it is no address, or leads to none of those.
    """
    try:
        found, named = _read(url)
    except ValueError as err:
        raise HookRefused(f"webhook is no address such as https://example.com/hook: {err}") from err
    listed = set()
    for entry in filter(None, (part.strip() for part in allowed.split(","))):
        try:
            listed.add(_read(entry if "://" in entry else f"https://{entry}")[1])
        except ValueError:
            continue  # `HookSettings` has a form, which this cannot meet
    if named not in listed:
        raise HookRefused(f"no webhook may go to {found.scheme}://{found.host}:{found.port}; see ELASTIQ_WEBHOOK_HOSTS")
    return found


def may_connect(host: str, address: str) -> bool:
    """Return whether a host that is listed may be reached at the address that its name has.

    A name may lead to public addresses alone; an address that is itself listed, anywhere.
    """
    found: IPv4Address | IPv6Address = ip_address(address.partition("%")[0])
    if _is_address(host):
        return ip_address(host) == found
    if isinstance(found, IPv6Address):
        if found.sixtofour or found.teredo or any(found in network for network in _TRANSLATED):
            return False
        found = found.ipv4_mapped or found
    return found.is_global and not found.is_multicast


def signed(body: bytes, secret: str, id: str, at: int) -> dict[str, str]:
    """Return the headers of a message: who has the secret can tell that it is ours, whole, and of when.

    Args:
        body: the message.
        secret: shared with the receiver.
        id: of the message: the same however often it is sent.
        at: seconds since 1970.
    """
    digest = hmac.new(secret.encode(), b"%d.%s" % (at, body), hashlib.sha256).hexdigest()
    return {
        "Content-Type": "application/json",
        MESSAGE_ID: id,
        TIMESTAMP: str(at),
        SIGNATURE: f"v1={digest}",
    }


def _read(url: str) -> tuple[Target, tuple[str, str, int]]:
    """Return an address's parts, and what of it is compared.

    Raises:
        ValueError: it is none.
    """
    if len(url) > LONGEST_URL or not url.isascii() or not url.isprintable() or any(sign in url for sign in " \\"):
        raise ValueError(f"it must have at most {LONGEST_URL} printable ASCII characters, no blank and no backslash")
    parts = urlsplit(url)
    if parts.scheme not in _PORTS or not parts.hostname or parts.username is not None or parts.password is not None:
        raise ValueError("it must be https, with a host and without a user")
    host = parts.hostname.rstrip(".")
    port = parts.port or _PORTS[parts.scheme]
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(parts.scheme, host, port, path), (parts.scheme, host, port)


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
