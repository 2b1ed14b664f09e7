"""When spot instances were taken back, kept in the output bucket beside the lease for the next autoscaler.

Whatever fails is logged; then the next autoscaler knows of those that it hears of.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import structlog

from app.errors import ElastiqError
from app.settings import Settings
from autoscaler.record import AHEAD, Keeper, Record, number

log = structlog.get_logger(__name__)

KEY = "_autoscaler/reclaimed"
MOST = 1000


class Reclaimed:
    """Reads them, and writes them where they count.

    Args:
        settings: the output bucket, and how many interruptions are too many.
    """

    def __init__(self, settings: Settings) -> None:
        self._record, self._counts = Record(settings, KEY), settings.ec2.spot_interruptions > 0
        self._keeper = Keeper(self._record, "interruptions_not_kept")
        self._known: frozenset[str] = frozenset()

    def begin(self, now: datetime) -> dict[str, datetime]:
        """Return when each instance was taken back, by its id."""
        if not self._counts:
            return {}
        try:
            found = {id: number(at) for id, at in self._record.read().items()}
        except ElastiqError as err:
            log.warning("interruptions_unknown", reason=str(err))
            return {}
        latest = (now + AHEAD).timestamp()
        known = {id: datetime.fromtimestamp(at, UTC) for id, at in found.items() if at is not None and at <= latest}
        self._known = frozenset(known)
        return known

    def note(self, interrupted: Mapping[str, datetime]) -> None:
        """Keep them if there is a new one; one autoscaler does so at a time, the leader."""
        if self._counts and not interrupted.keys() <= self._known:
            newest = sorted(interrupted.items(), key=lambda one: one[1])[-MOST:]
            self._keeper.keep({id: at.timestamp() for id, at in newest}, frozenset(interrupted))
