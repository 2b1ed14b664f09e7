"""The HTTP address of who listens on a host and a port, as this machine reaches it."""

from __future__ import annotations

_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}


def http_address(host: str, port: int) -> str:
    """Return the address; IPv6 is in brackets, and who listens everywhere is asked on loopback."""
    host = _EVERYWHERE.get(host, host)
    if ":" in host:
        host = f"[{host.replace('%', '%25')}]"
    return f"http://{host}:{port}"
