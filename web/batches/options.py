"""What a client asks of a batch that it makes, checked: its name, its end, its turn, where its images are. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from app.batches.record import BULK, INTERACTIVE, LONGEST_NAME, PRIORITIES, BatchRecord
from app.batches.webhook import target
from app.errors import PermanentError

# Ten years: S3's own rule does better for what is kept longer.
LONGEST_S = 10 * 366 * 86400
FIELDS = ("name", "expires_s", "webhook", "priority", "source")

SourceOf = Callable[[object], dict[str, Any] | None]


class BadOption(PermanentError):
    """What is asked of a batch cannot be done; the message says which option it is."""


def asked(
    data: object, id: str, now: datetime, hosts: str = "", source_of: SourceOf = lambda data: None
) -> BatchRecord:
    """Return the record of a batch for which ``data``, JSON as it came, is asked.

    Args:
        data: the body of the request.
        id: the batch's.
        now: when it is made, UTC.
        hosts: those that a webhook may go to.
        source_of: returns what the record keeps of a source that was asked for; raises `PermanentError`.

    Raises:
        HookRefused: its webhook may not go there.
        BadOption: it is no object, or one with a field that is unknown or has no value that it may have.
    """
    if not isinstance(data, dict):
        raise BadOption("the options of a batch are a JSON object")
    if unknown := sorted(set(map(str, data)) - set(FIELDS)):
        raise BadOption(f"there is no option {unknown[0][:80]!r}; there are: {', '.join(FIELDS)}")
    source = source_of(data["source"]) if data.get("source") is not None else None
    return BatchRecord(
        id,
        name=_name(data),
        expires_at=_expires_at(data, now),
        webhook=_webhook(data, hosts),
        priority=_priority(data, INTERACTIVE if source is None else BULK),
        source=source,
    )


def _priority(data: Mapping[str, Any], default: str) -> str:
    priority = data.get("priority", default)
    if priority not in PRIORITIES:
        raise BadOption(f"priority must be {' or '.join(PRIORITIES)}")
    return str(priority)


def _name(data: Mapping[str, Any]) -> str:
    name = data.get("name", "")
    if not isinstance(name, str) or len(name) > LONGEST_NAME or not name.isprintable():
        raise BadOption(f"name is no text of at most {LONGEST_NAME} printable characters")
    return name


def _webhook(data: Mapping[str, Any], hosts: str) -> str:
    url = data.get("webhook")
    if not isinstance(url, str | None):
        raise BadOption("webhook is no address")
    if url:
        target(url, hosts)
    return url or ""


def _expires_at(data: Mapping[str, Any], now: datetime) -> datetime | None:
    seconds = data.get("expires_s")
    if seconds is None:
        return None
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not math.isfinite(seconds):
        raise BadOption("expires_s is no number of seconds")
    if not 1 <= seconds <= LONGEST_S:
        raise BadOption(f"expires_s must be 1 to {LONGEST_S} seconds")
    return now.astimezone(UTC) + timedelta(seconds=seconds)
