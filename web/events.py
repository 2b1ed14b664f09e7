"""The events listener: workers say what became of an image as soon as they know, the autoscaler what it decides.

It only makes news of images quicker: while it is away, the feed's polling brings them. The monitor lives on it.
"""

from __future__ import annotations

from app.announcements import BatchChanged, ImageClassified, ImageFailed, Said
from app.domain import batch_of
from app.listener import EventListener
from web.tier import Tier


class Listener(EventListener):
    """Hears what concerns the page and the monitor.

    Args:
        tier: its feed is told what became of each image; its fleet, what is said of the fleet.
    """

    def __init__(self, tier: Tier) -> None:
        super().__init__(tier.celery, self._heard)
        self._tier = tier

    def _heard(self, said: Said) -> None:
        self._tier.workload.hear(said)
        self._tier.costs.hear(said)
        self._tier.fleet.hear(said)
        if isinstance(said.what, ImageClassified | ImageFailed):
            self._outcome(said.what)
        elif isinstance(said.what, BatchChanged):
            self._tier.records.heard(said.what.batch)
            self._tier.feed.changed(said.what.batch)
            self._tier.runner.heard(said.what.batch)

    def _outcome(self, what: ImageClassified | ImageFailed) -> None:
        self._tier.feed.publish(what.outcome)
        self._tier.backlog.finished(what.outcome.key)
        self._tier.lives.heard(what.outcome.key, what.life)
        self._tier.costs.finished(what.outcome.key)
        self._tier.runner.stirred(batch_of(what.outcome.key))
        self._tier.counts.count("images_classified" if isinstance(what, ImageClassified) else "images_failed")
