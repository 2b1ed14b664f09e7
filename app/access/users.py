"""People who sign in by name and password: a file of names and slow hashes, and whether a password is right."""

from __future__ import annotations

import hmac
import secrets
import threading
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

from werkzeug.security import check_password_hash, generate_password_hash

from app.access.keys import NAME
from app.errors import ConfigurationError

# A password may be poor, so each try at it costs 32 MB and some 70 core-ms, by scrypt.
METHOD = "scrypt:32768:8:1"
# For so long a password that was right is known to be; a page sends it with every request.
REMEMBERED_S = 60.0
REMEMBERED = 1000


def line(name: str, password: str) -> str:
    """Return the line of the file for a user.

    Raises:
        ConfigurationError: nobody can be called that, or the password is too short to be one.
    """
    if not NAME.fullmatch(name):
        raise ConfigurationError(f"{name!r} is no user's name; use 1 to 64 of A-Z, a-z, 0-9, '.', '_', '@', '+', '-'")
    if len(password) < 12:
        raise ConfigurationError("a password needs 12 characters at least")
    return f"{name}:{generate_password_hash(password, METHOD)}"


class Users:
    """Those of one file, as it is now. Safe to share between threads.

    Args:
        hashes: each user's, by name.
        clock: seconds, monotonic.
    """

    def __init__(self, hashes: dict[str, str], clock: Callable[[], float] = time.monotonic) -> None:
        self._hashes, self._clock = hashes, clock
        # Of nobody's password: who is not in the file takes as long as who is.
        self._nobody = generate_password_hash(secrets.token_hex(16), METHOD)
        self._salt, self._lock = secrets.token_bytes(32), threading.Lock()
        self._right: dict[str, tuple[bytes, float]] = {}

    @classmethod
    def of_file(cls, path: str) -> Users:
        """Read a file of lines ``name:hash``; empty ones and those that begin with ``#`` are none.

        Raises:
            ConfigurationError: it cannot be read, or has another line.
        """
        try:
            lines = Path(path).read_text().splitlines()
        except (OSError, UnicodeDecodeError) as err:
            raise ConfigurationError(f"ELASTIQ_AUTH_USERS={path!r} cannot be read ({err})") from err
        hashes = {}
        for number, text in enumerate(lines, 1):
            name, _, hashed = text.strip().partition(":")
            if not text.strip() or text.startswith("#"):
                continue
            if not NAME.fullmatch(name) or not hashed.startswith("scrypt:") or hashed.count("$") != 2:
                raise ConfigurationError(f"line {number} of {path} is none that `elastiq password NAME` prints")
            hashes[name] = hashed
        return cls(hashes)

    def know(self, name: str, password: str) -> bool:
        """Return whether this was the user's password a moment ago; costs nothing."""
        with self._lock:
            seen, until = self._right.get(name, (b"", 0.0))
        return self._clock() < until and hmac.compare_digest(seen, self._trace(name, password))

    def check(self, name: str, password: str) -> bool:
        """Return whether this is the user's password; slow, whoever it is."""
        right = check_password_hash(self._hashes.get(name, self._nobody), password) and name in self._hashes
        if right:
            with self._lock:
                self._right[name] = (self._trace(name, password), self._clock() + REMEMBERED_S)
        return right

    def _trace(self, name: str, password: str) -> bytes:
        """Return what is remembered of a password that was right: nothing that outlives this process says it again."""
        return hmac.digest(self._salt, f"{name}:{password}".encode(), sha256)
