"""The last hour as the autoscaler has kept it: what a web process begins with, which heard nothing of it."""

from __future__ import annotations

import threading
from collections.abc import Callable

import structlog

from app.aws.bucket import Bucket
from app.errors import ElastiqError, MalformedAnnouncement
from app.fields import Fields
from app.hour.hour import KEY
from app.process.objects import parse
from app.settings import Settings
from web.fleet.costs import Costs
from web.fleet.feed import FleetFeed

log = structlog.get_logger(__name__)

# The autoscaler writes once a minute at most: what it had not written yet when this process began is there then.
AGAIN_S, LOOKS = 65.0, 3
# A busy hour of nineteen machines has a tenth of it.
MOST_BYTES = 4_000_000


class Recall:
    """Reads it, at first and until it reaches to when this process began to listen.

    Args:
        settings: the output bucket.
        fleet: is told of the hour.
        costs: is told what batches have cost.
        wait: waits so many seconds, and returns early whether it is over.
    """

    def __init__(
        self, settings: Settings, fleet: FleetFeed, costs: Costs, wait: Callable[[float], bool] | None = None
    ) -> None:
        self._bucket = Bucket(settings.aws, settings.buckets.output, connections=1)
        self._fleet, self._costs = fleet, costs
        self._stopped = threading.Event()
        self._wait = wait or self._stopped.wait

    def start(self) -> None:
        """Begin to read, in a thread."""
        threading.Thread(target=self.run, name="recall", daemon=True).start()

    def stop(self) -> None:
        """Read no more."""
        self._stopped.set()

    def run(self) -> None:
        """Read until all is known, or nothing more is to be expected."""
        for _ in range(LOOKS):
            if self.look() or self._wait(AGAIN_S):
                return

    def look(self) -> bool:
        """Read once; return whether it reaches to when this process began."""
        try:
            found = self._bucket.get(KEY, MOST_BYTES)
            if found is None or found.body is None:
                return False
            kept = parse(found.body)
            reaches = self._fleet.adopt(kept)
            self._costs.adopt(Fields(kept).maybe_parts("batches"))
        except (ElastiqError, MalformedAnnouncement, ValueError) as err:
            log.warning("hour_unknown", reason=str(err))
            return False
        return reaches
