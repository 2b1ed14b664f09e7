"""The events listener: workers say what became of an image as soon as they know, the autoscaler what it decides.

It only makes news of images quicker: while it is away, the feed's polling brings them. The monitor lives on it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import structlog

from app.domain import Classification, Failure
from app.listener import EventListener
from web.tier import Tier

log = structlog.get_logger(__name__)

CLASSIFIED, FAILED = "image-classified", "image-failed"
OF_THE_FLEET = (
    "scaling-decision",
    "swept",
    "worker-online",
    "worker-heartbeat",
    "worker-leaving",
    "worker-offline",
)


class Listener(EventListener):
    """Hears what concerns the page and the monitor.

    Args:
        tier: its feed is told what became of each image; its fleet, what is said of the fleet.
    """

    def __init__(self, tier: Tier) -> None:
        outcomes = {CLASSIFIED: self._outcome, FAILED: self._outcome}
        super().__init__(tier.celery, {**outcomes, **dict.fromkeys(OF_THE_FLEET, self._fleet)})
        self._tier = tier

    def _outcome(self, event: dict[str, Any]) -> None:
        try:
            outcome = outcome_of(event)
        except (LookupError, TypeError) as err:
            log.warning("event_malformed", type=event.get("type"), reason=repr(err))
            return
        self._tier.feed.publish(outcome)
        self._tier.fleet.finished()
        self._tier.counts.count("images_classified" if isinstance(outcome, Classification) else "images_failed")

    def _fleet(self, event: dict[str, Any]) -> None:
        try:
            self._tier.fleet.hear(event)
        except (LookupError, TypeError, ValueError) as err:
            log.warning("event_malformed", type=event.get("type"), reason=repr(err))


def outcome_of(event: Mapping[str, Any]) -> Classification | Failure:
    """Return what an event says; Celery has added who sent it, and when.

    Raises:
        LookupError, TypeError: it is not an event as our workers send it.
    """
    kind = Classification if event["type"] == CLASSIFIED else Failure
    ours = {field.name: event[field.name] for field in fields(kind)}
    return Classification.from_json(ours) if kind is Classification else Failure(**ours)
