"""When spot instances were taken back, kept in the output bucket beside the lease for the next autoscaler.

Whatever fails is logged; then the next autoscaler knows of those that it hears of.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import structlog

from app.errors import ElastiqError
from app.settings import Settings
from autoscaler.record import Record, number

log = structlog.get_logger(__name__)

KEY = "_autoscaler/reclaimed"
# A time so far ahead of one's own clock is another clock's fault.
AHEAD = timedelta(minutes=5)
MOST = 1000


class Reclaimed:
    """Reads them, and writes them where they count.

    Args:
        settings: the output bucket, and how many interruptions are too many.
    """

    def __init__(self, settings: Settings) -> None:
        self._record, self._counts = Record(settings, KEY), settings.ec2.spot_interruptions > 0
        self._kept: dict[str, datetime] = {}

    def begin(self, now: datetime) -> dict[str, datetime]:
        """Return when each instance was taken back, by its id."""
        if self._counts:
            try:
                found = {id: number(at) for id, at in self._record.read().items()}
            except ElastiqError as err:
                log.warning("interruptions_unknown", reason=str(err))
            else:
                latest = (now + AHEAD).timestamp()
                known = {id: at for id, at in found.items() if at is not None and at <= latest}
                self._kept = {id: datetime.fromtimestamp(at, UTC) for id, at in known.items()}
        return dict(self._kept)

    def note(self, interrupted: Mapping[str, datetime]) -> None:
        """Keep them if there is a new one; one autoscaler does so at a time, the leader."""
        if not self._counts or interrupted.keys() <= self._kept.keys():
            return
        self._kept = dict(sorted(interrupted.items(), key=lambda one: one[1])[-MOST:])
        try:
            self._record.write({id: at.timestamp() for id, at in self._kept.items()})
        except ElastiqError as err:
            log.warning("interruptions_not_kept", reason=str(err))
