"""What was promised to clients that named a request by a key of their own: the batch it makes, and then the answer.

Any web process keeps it: it is in the output bucket. One that is older than a day counts for nothing, and is replaced.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

from app.aws.bucket import Bucket
from app.errors import TransientError
from app.process.objects import parse
from app.settings import Settings
from app.storage import PROMISES

KEPT_S = 24 * 3600.0
# While a request is under way, another with its key is told so; longer than that, its process may be gone.
UNDER_WAY_S = 60.0
ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class Promise:
    """What one request makes.

    Attributes:
        batch: the batch's id.
        made_at: when the client first asked, in seconds since 1970.
        under_way_until: until when somebody is at it; 0: nobody is.
        sent: the digest of what was sent; empty before it is answered.
        answer: the answer; None before.
    """

    batch: str
    made_at: float
    under_way_until: float = 0.0
    sent: str = ""
    answer: dict[str, Any] | None = None


class Promises:
    """Promises by client and key. Safe to share between threads, and between processes.

    Every method raises `TransientError` or `ConfigurationError` of the bucket.

    Args:
        settings: the output bucket.
        clock: seconds since 1970.
    """

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.time) -> None:
        self._bucket, self._clock = Bucket(settings.aws, settings.buckets.output), clock

    def begin(self, client: str, key: str, batch: str) -> tuple[Promise, bool]:
        """Return what was promised, and whether it is the caller's to keep from here.

        Args:
            client: who asks.
            key: his key.
            batch: the batch's id, if nothing was promised before.
        """
        name = _name(client, key)
        for _ in range(ATTEMPTS):
            now = self._clock()
            found = self._bucket.get(name)
            known = _read(found.body) if found else None
            if known is None or now - known.made_at >= KEPT_S:
                known = Promise(batch, now)
            elif known.answer is not None or now < known.under_way_until:
                return known, False
            ours = replace(known, under_way_until=now + UNDER_WAY_S)
            if self._bucket.put_if_same(name, _written(ours), "application/json", found.etag if found else ""):
                return ours, True
        raise TransientError("others ask for the same all the time; try again")

    def keep(self, client: str, key: str, promise: Promise) -> None:
        """Note what has become of a promise that is the caller's."""
        self._bucket.put(_name(client, key), _written(promise), "application/json")


def _name(client: str, key: str) -> str:
    return f"{PROMISES}{hashlib.sha256(json.dumps([client, key]).encode()).hexdigest()}"


def _written(promise: Promise) -> bytes:
    return json.dumps(asdict(promise)).encode()


def _read(body: bytes | None) -> Promise | None:
    """Return what `_written` wrote; None of anything else."""
    try:
        return Promise(**parse(body or b""))
    except (TypeError, ValueError):
        return None
