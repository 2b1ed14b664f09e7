"""The HTTP address of who listens on a host and a port, as this machine reaches it."""

from __future__ import annotations

from ipaddress import ip_address

_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}


def http_address(host: str, port: int) -> str:
    """Return the address; IPv6 is in brackets, and who listens everywhere is asked on loopback."""
    host = _EVERYWHERE.get(host, host)
    if ":" in host:
        host = f"[{host.replace('%', '%25')}]"
    return f"http://{host}:{port}"


def is_loopback(host: str) -> bool:
    """Return whether who listens on ``host``, a name or an address, is reached from this machine alone."""
    try:
        return ip_address(host.strip("[]").partition("%")[0]).is_loopback
    except ValueError:
        # Browsers take what ends so for this machine, whatever any server of names says.
        return host.lower().rstrip(".") == "localhost" or host.lower().rstrip(".").endswith(".localhost")
