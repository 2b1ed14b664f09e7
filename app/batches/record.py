"""The record of a batch as a value: whose it is, what was asked of it, and what was done to it. Pure.

Most batches have none: everything in it has a default.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any

from app.domain import BATCH_ID

INTERACTIVE, BULK = PRIORITIES = ("interactive", "bulk")
# Characters of a name that a person gives a batch.
LONGEST_NAME = 200


@dataclass(frozen=True, slots=True)
class BatchRecord:
    """What is known of a batch beside its images; times are UTC.

    Attributes:
        id: the batch's.
        owner: who made it; empty where nobody had to say.
        shared: whether everybody who knows its id may see it, beside its owner.
        priority: `INTERACTIVE` or `BULK`.
        expires_at: when it is deleted; None: never.
        webhook: the address that is told when it is complete; empty: none.
        source: where its images come from if nobody uploads them; None where somebody does.
        cancelled_at: when it was cancelled; None if it is not.
        deleted_at: when it was deleted; None if it is not.
        name: what its owner calls it.
    """

    id: str
    owner: str = ""
    shared: bool = False
    priority: str = INTERACTIVE
    expires_at: datetime | None = None
    webhook: str = ""
    source: dict[str, Any] | None = None
    cancelled_at: datetime | None = None
    deleted_at: datetime | None = None
    name: str = ""

    @property
    def made_at(self) -> datetime:
        """Return when the batch was made, UTC, which its id says."""
        return made_at(self.id)

    @property
    def dropped(self) -> bool:
        """Return whether what waits of it is not to be classified."""
        return bool(self.cancelled_at or self.deleted_at)

    def to_json(self) -> dict[str, Any]:
        """Return the form that is stored; times are seconds since 1970."""
        return {"made_at": self.made_at.timestamp()} | {f.name: _plain(getattr(self, f.name)) for f in fields(self)}

    def to_public(self) -> dict[str, Any]:
        """Return the form that the API answers with: of the webhook only whether there is one, as it may hold a key."""
        told = {name: value for name, value in self.to_json().items() if name not in ("id", "deleted_at")}
        return {**told, "webhook": bool(self.webhook)}

    @classmethod
    def from_json(cls, id: str, data: Mapping[str, Any]) -> BatchRecord:
        """Read what `to_json` wrote, of an earlier or a later version too.

        Raises:
            ValueError: a field has none of the values that it may have.
        """
        known = {f.name: _read(f.name, data[f.name]) for f in fields(cls) if f.name in data and f.name != "id"}
        return cls(id, **known)


def made_at(id: str) -> datetime:
    """Return when the batch of this id was made, UTC, to the millisecond.

    Raises:
        ValueError: it is no batch's id.
    """
    if not BATCH_ID.fullmatch(id):
        raise ValueError(f"{id!r} is no batch's id")
    return datetime.strptime(f"{id[:18]}+0000", "%Y%m%dT%H%M%S%f%z").astimezone(UTC)


_TIMES = {"expires_at", "cancelled_at", "deleted_at"}
_KINDS: dict[str, type] = {"owner": str, "shared": bool, "priority": str, "webhook": str, "source": dict, "name": str}


def _plain(value: object) -> object:
    return value.timestamp() if isinstance(value, datetime) else value


def _read(name: str, value: object) -> Any:
    if value is None and (name in _TIMES or name == "source"):
        return None
    if name in _TIMES:
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise ValueError(f"{name} is no time")
        try:
            return datetime.fromtimestamp(value, UTC)
        except (OverflowError, OSError) as err:
            raise ValueError(f"{name} is no time") from err
    if not isinstance(value, _KINDS[name]) or (name == "priority" and value not in PRIORITIES):
        raise ValueError(f"{name} is {value!r}")
    return value
