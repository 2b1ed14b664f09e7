"""Why images failed in the last hour: how many by reason, and which were the latest. Pure, and bounded."""

from __future__ import annotations

import re
from collections import Counter, OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from app.domain import Failure
from app.fields import Fields

KEPT_S = 3600.0
# Reasons, and of each the images, that are remembered; characters of a reason.
REASONS, IMAGES, LONGEST = 30, 6, 300
# What makes two reasons of one kind differ: a file's own numbers, and the names in quotation marks.
_OWN = re.compile(r"\d[\d.,]*|'[^']*'|\"[^\"]*\"")


@dataclass(slots=True)
class Reason:
    """One kind of reason, in the words of the latest; ``images`` are the latest keys, and when each failed."""

    words: str
    last_at: float = 0.0
    minutes: Counter[int] = field(default_factory=Counter)
    images: OrderedDict[str, float] = field(default_factory=OrderedDict)

    def add(self, failure: Failure, now: float) -> None:
        """Count an image; one that fails again is moved to the front and not counted again."""
        if self.images.pop(failure.key, None) is None:
            self.minutes[int(now // 60)] += 1
        self.images[failure.key] = now
        while len(self.images) > IMAGES:
            self.images.popitem(last=False)
        self.words, self.last_at = failure.reason[:LONGEST], now

    def with_what_is_of(self, other: Reason) -> Reason:
        """Return this one with what another one knows of it."""
        newer = max(self, other, key=lambda one: one.last_at)
        images = sorted({**other.images, **self.images}.items(), key=lambda item: item[1])
        return Reason(newer.words, newer.last_at, self.minutes | other.minutes, OrderedDict(images[-IMAGES:]))

    def forget(self, now: float) -> None:
        """Forget what is more than an hour ago."""
        for minute in [minute for minute in self.minutes if minute <= (now - KEPT_S) // 60]:
            del self.minutes[minute]

    def to_json(self) -> dict[str, Any]:
        """Return what `_reason_of` reads."""
        images = [{"key": key, "at": at} for key, at in self.images.items()]
        minutes = [[*pair] for pair in sorted(self.minutes.items())]
        return {"words": self.words, "last_at": self.last_at, "minutes": minutes, "images": images}


class Failures:
    """Counts them."""

    def __init__(self) -> None:
        self._reasons: OrderedDict[str, Reason] = OrderedDict()

    def hear(self, failure: Failure, now: float) -> None:
        """Take note of an image that was given up."""
        kind = _OWN.sub("", failure.reason)
        reason = self._reasons.pop(kind, None) or Reason(failure.reason)
        reason.add(failure, now)
        self._reasons[kind] = reason
        while len(self._reasons) > REASONS:
            self._reasons.popitem(last=False)

    def view(self, now: float) -> list[dict[str, Any]]:
        """Return the hour's reasons, the most frequent first, each with its latest images."""
        for reason in self._reasons.values():
            reason.forget(now)
        there = sorted(self._reasons.values(), key=lambda one: (-one.minutes.total(), -one.last_at))
        return [
            {
                "reason": one.words,
                "count": one.minutes.total(),
                "last_at": one.last_at,
                "images": [{"key": key, "at": at} for key, at in reversed(one.images.items())],
            }
            for one in there
            if one.minutes
        ]

    def to_json(self) -> list[dict[str, Any]]:
        """Return what `adopt` reads."""
        return [reason.to_json() for reason in self._reasons.values()]

    def adopt(self, kept: Iterable[Fields]) -> None:
        """Take over what another one kept; of a minute that both know, the greater count.

        Raises:
            MalformedAnnouncement: it is no such thing.
        """
        for other in map(_reason_of, kept):
            kind = _OWN.sub("", other.words)
            known = self._reasons.get(kind)
            self._reasons[kind] = other if known is None else known.with_what_is_of(other)
        there = sorted(self._reasons.items(), key=lambda item: item[1].last_at)
        self._reasons = OrderedDict(there[-REASONS:])


def _reason_of(said: Fields) -> Reason:
    images = OrderedDict((one.name("key"), one.moment("at")) for one in said.parts("images"))
    return Reason(said.text("words"), said.moment("last_at"), Counter(dict(said.pairs("minutes"))), images)
