"""Who may call: the operator, each host by its role, and whoever has assumed one; each has keys of its own."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

ACCOUNT = "000000000000"


@dataclass(frozen=True, slots=True)
class Keys:
    """Keys that were given out: to which role (its name), in which session, and until when (UTC; None: for good)."""

    role: str
    session: str
    key: str
    secret: str
    token: str = ""
    until: datetime | None = None

    def environment(self) -> dict[str, str]:
        """Return the variables by which any AWS client signs with them."""
        names = {"AWS_ACCESS_KEY_ID": self.key, "AWS_SECRET_ACCESS_KEY": self.secret, "AWS_SESSION_TOKEN": self.token}
        return {name: value for name, value in names.items() if value}

    @property
    def arn(self) -> str:
        """Return the principal that a policy sees."""
        return f"arn:aws:sts::{ACCOUNT}:assumed-role/{self.role}/{self.session}"


class Identities:
    """All keys that were ever given out.

    Args:
        clock: the time, UTC.
    """

    def __init__(self, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._clock = clock
        self._keys: dict[str, Keys] = {}

    def lasting(self, role: str, session: str = "operator") -> Keys:
        """Return keys that do not expire, as a person's do."""
        return self._add(Keys(role, session, f"AKIA{secrets.token_hex(8).upper()}", secrets.token_urlsafe(30)))

    def temporary(self, role: str, session: str, life: timedelta) -> Keys:
        """Return keys with a session token, as a host's role and an assumed one have."""
        until = self._clock() + life
        key, secret, token = f"ASIA{secrets.token_hex(8).upper()}", secrets.token_urlsafe(30), secrets.token_urlsafe(60)
        return self._add(Keys(role, session, key, secret, token, until))

    def of(self, key: str) -> Keys | None:
        """Return the keys that an access key id belongs to."""
        return self._keys.get(key)

    def expired(self, keys: Keys) -> bool:
        """Return whether their time is over."""
        return keys.until is not None and self._clock() >= keys.until

    def _add(self, keys: Keys) -> Keys:
        self._keys[keys.key] = keys
        return keys
