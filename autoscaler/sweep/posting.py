"""Posting a webhook: to the address that its host's name has now, looked up once, and to no other."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Sequence

import urllib3

from app.batches.webhook import HookRefused, Target, may_connect, signed
from app.errors import TransientError

TIMEOUT_S = 10.0

Lookup = Callable[[str, int], Sequence[str]]


def look_up(host: str, port: int) -> list[str]:
    """Return a host's addresses.

    Raises:
        OSError: it has none.
    """
    return [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


def post(where: Target, body: bytes, secret: str, id: str, lookup: Lookup = look_up) -> None:
    """Send a message; return once its receiver has taken it (2xx). No redirect is followed.

    Args:
        where: its receiver.
        body: the message.
        secret: signs it.
        id: of the message.
        lookup: returns the addresses of a host.

    Raises:
        HookRefused: the host's name leads to where no webhook may go.
        TransientError: it was not taken; it may be later.
    """
    try:
        addresses = lookup(where.host, where.port)
    except OSError as err:
        raise TransientError(f"{where.host} is not found: {err}") from err
    if not addresses or not all(may_connect(where.host, address) for address in addresses):
        raise HookRefused(f"{where.host} leads to {', '.join(addresses)}, which is not public")
    headers = {**signed(body, secret, id, int(time.time())), "Host": _named(where), "User-Agent": "Elastiq"}
    with _pool(where, addresses[0]) as pool:
        try:
            answer = pool.urlopen(
                "POST", where.path, body=body, headers=headers, redirect=False, retries=False, preload_content=False
            )
        except (urllib3.exceptions.HTTPError, OSError) as err:
            raise TransientError(f"{where.host} does not answer: {type(err).__name__}") from err
        answer.close()  # what it says beside the status is not read
    if not 200 <= answer.status < 300:
        raise TransientError(f"{where.host} answered {answer.status}")


def _pool(where: Target, address: str) -> urllib3.HTTPConnectionPool:
    if where.scheme == "http":
        return urllib3.HTTPConnectionPool(address, where.port, timeout=TIMEOUT_S)
    return urllib3.HTTPSConnectionPool(
        address, where.port, timeout=TIMEOUT_S, server_hostname=where.host, assert_hostname=where.host
    )


def _named(where: Target) -> str:
    host = f"[{where.host}]" if ":" in where.host else where.host
    return host if where.port == (443 if where.scheme == "https" else 80) else f"{host}:{where.port}"
