"""Flower beside everything else on one machine: where it answers, and who may use its controls."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

from app.errors import ConfigurationError
from app.process.address import http_address

PORT = 5555
# Settings of Flower's own that say who may use it.
_ASKED_OF = ("FLOWER_BASIC_AUTH", "FLOWER_AUTH", "FLOWER_UNAUTHENTICATED_API")


@dataclass(frozen=True, slots=True)
class Place:
    """Where Flower answers, and what its environment says beside this process's own.

    Attributes:
        host: the address that it listens on.
        port: the port there.
        environment: Flower's settings, a password of this run's own among them unless somebody chose another way.
    """

    host: str
    port: int
    environment: Mapping[str, str] = field(repr=False)

    @property
    def address(self) -> str:
        """Return its address, with the password that this run has made, if it has."""
        bare = http_address(self.host, self.port)
        made = self.environment.get("FLOWER_BASIC_AUTH")
        return bare.replace("://", f"://{made}@", 1) if made else bare


def place(environment: Mapping[str, str]) -> Place:
    """Return where Flower shall answer.

    Its buttons stop workers, so they ask for a password: any page that a browser here visits can reach loopback too.

    Raises:
        ConfigurationError: ``FLOWER_PORT`` is no port.
    """
    text = environment.get("FLOWER_PORT") or str(PORT)
    if not (text.isascii() and text.isdecimal() and 0 < int(text) < 65536):
        raise ConfigurationError(f"FLOWER_PORT={text!r} must be a port: a number from 1 to 65535")
    host = environment.get("FLOWER_ADDRESS") or "127.0.0.1"
    chosen = any(environment.get(name) for name in _ASKED_OF)
    own = {} if chosen else {"FLOWER_BASIC_AUTH": f"elastiq:{secrets.token_hex(8)}"}
    return Place(host, int(text), {"FLOWER_ADDRESS": host, "FLOWER_PORT": text, **own})


def joined(arguments: tuple[str, ...]) -> list[str]:
    """Return Flower's arguments as it takes them: ``--port=5555``, also where ``--port 5555`` was given.

    Flower takes nothing but options, so what stands after a name can only be its value.
    """
    whole: list[str] = []
    for argument in arguments:
        if whole and whole[-1].startswith("--") and "=" not in whole[-1] and not argument.startswith("-"):
            whole[-1] += f"={argument}"
        else:
            whole.append(argument)
    return whole
