"""How many instances there should be, in the log as a metric of CloudWatch's: for whoever starts them by that."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import structlog

from autoscaler.embedded import embedded

log = structlog.get_logger(__name__)

# CloudWatch's metrics have one value a minute.
AGAIN = timedelta(seconds=60)
METRIC = "InstancesDesired"


class Wish:
    """Logs it as often as it changes, and once a minute.

    Args:
        namespace: CloudWatch's; empty to log nothing.
    """

    def __init__(self, namespace: str) -> None:
        self._namespace, self._desired = namespace, -1
        self._told_at = datetime.min.replace(tzinfo=UTC)

    def note(self, desired: int, at: datetime) -> None:
        """Log it, if that is due ``at`` (UTC)."""
        if self._namespace and (desired != self._desired or at - self._told_at >= AGAIN):
            self._desired, self._told_at = desired, at
            log.info("instances_wished", **embedded({METRIC: desired}, self._namespace, at))
