"""API keys: texts that programs show, kept in the output bucket as digests, each under the id that is part of it.

A key is 256 random bits: nobody finds one by trying, so a plain SHA-256 tells as little of it as a slow hash would, and
costs a request a microsecond.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

from app.access.scopes import scopes
from app.aws.bucket import Bucket
from app.errors import ConfigurationError
from app.settings import Settings

FOLDER = "_keys/"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}")
_KEY = re.compile(r"elq_([0-9a-f]{16})_[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, slots=True)
class Key:
    """What is kept of a key; times are UTC.

    Attributes:
        id: the part of the key by which it is found; no secret.
        name: whose it is. Keys of one name are one caller's, so that a new one can take an old one's place.
        sha256: the whole key's digest, in hexadecimal digits.
    """

    id: str
    name: str
    sha256: str
    scopes: frozenset[str]
    made_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None

    def opens_with(self, text: str, now: datetime) -> bool:
        """Return whether ``text`` is this key, and it is good at ``now``; how long that takes tells nothing of it."""
        same = hmac.compare_digest(self.sha256, digest(text))
        return same and self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


def make(name: str, may: frozenset[str], now: datetime, expires_at: datetime | None = None) -> tuple[str, Key]:
    """Return a new key and what is to be kept of it.

    Raises:
        ConfigurationError: nobody can be called that.
    """
    if not NAME.fullmatch(name):
        raise ConfigurationError(
            f"{name!r} is no name for a key; use 1 to 64 of A-Z, a-z, 0-9, '.', '_', '@', '+', '-'"
        )
    id = secrets.token_hex(8)
    text = f"elq_{id}_{secrets.token_urlsafe(32)}"
    return text, Key(id, name, digest(text), may, now, expires_at)


def id_of(text: str) -> str | None:
    """Return the id in a key; None of what is no key."""
    found = _KEY.fullmatch(text)
    return found[1] if found else None


def digest(text: str) -> str:
    """Return what is kept instead of a key."""
    return hashlib.sha256(text.encode()).hexdigest()


class KeyStore:
    """The keys in the output bucket. Safe to share between threads.

    Every method raises `TransientError`, and `ConfigurationError` for a bucket or a record that is not as it should be.
    """

    def __init__(self, settings: Settings) -> None:
        self._bucket = Bucket(settings.aws, settings.buckets.output)

    def find(self, id: str) -> Key | None:
        """Return the key of an id; None if there is none."""
        found = self._bucket.get(_place(id))
        return None if found is None or found.body is None else _read(id, found.body)

    def add(self, key: Key) -> None:
        """Keep a key."""
        self._bucket.put(_place(key.id), _written(key), "application/json", replace=False)

    def revoke(self, id: str, now: datetime) -> Key | None:
        """Have a key be good no longer; return it, or None if there is none."""
        key = self.find(id)
        if key is not None and key.revoked_at is None:
            key = replace(key, revoked_at=now)
            self._bucket.put(_place(id), _written(key), "application/json")
        return key

    def all(self) -> Iterator[Key]:
        """Yield every key, the revoked and the expired too."""
        for item in self._bucket.list(FOLDER):
            id = item["Key"].removeprefix(FOLDER).removesuffix(".json")
            if (key := self.find(id)) is not None:
                yield key


def _place(id: str) -> str:
    return f"{FOLDER}{id}.json"


def _written(key: Key) -> bytes:
    times = {name: at.isoformat() for name in ("made_at", "expires_at", "revoked_at") if (at := getattr(key, name))}
    return json.dumps(
        {**asdict(key), "scopes": sorted(key.scopes), "expires_at": None, "revoked_at": None, **times}
    ).encode()


def _read(id: str, body: bytes) -> Key:
    try:
        kept: dict[str, Any] = json.loads(body)
        made_at = _moment(kept["made_at"])
        assert made_at
        return Key(
            id,
            str(kept["name"]),
            str(kept["sha256"]),
            scopes(kept["scopes"]),
            made_at,
            _moment(kept["expires_at"]),
            _moment(kept["revoked_at"]),
        )
    except (ValueError, KeyError, TypeError, AssertionError) as err:
        raise ConfigurationError(
            f"{_place(id)} in the output bucket is no key's record; delete it, make another"
        ) from err


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text).astimezone(UTC) if text else None
