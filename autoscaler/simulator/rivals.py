"""Other systems' rules, each as its documentation has it, to be simulated beside ours. Each remembers what it must."""

from __future__ import annotations

import math
from collections import deque
from datetime import datetime

from autoscaler.values import Limits, Observation, ScalingDecision


def whole_fleet(seen: Observation, limits: Limits) -> ScalingDecision:
    """Launch the whole fleet as soon as anything is queued, and never ask for fewer: the fastest that there can be."""
    return _towards(limits.ceiling if seen.depth.total else len(seen.alive), seen, "the whole fleet")


class Keda:
    """KEDA's SQS scaler under Kubernetes' autoscaler, with both's defaults.

    Source: keda.sh, AWS SQS Queue (``queueLength`` 5, in flight included); ScaledObject (``pollingInterval`` 30 s and
    ``cooldownPeriod`` 300 s, both between none and one). kubernetes.io, HorizontalPodAutoscaler: a sync each 15 s, a
    tolerance of a tenth, at most doubling or four more in 15 s, and no scale-in below the highest of the last 300 s.
    """

    OBSERVE_S = 15.0

    def __init__(self) -> None:
        self._wanted: deque[tuple[datetime, int]] = deque()
        self._active_at: datetime | None = None
        self._polled_at: datetime | None = None

    def __call__(self, seen: Observation, limits: Limits) -> ScalingDecision:
        """Return what KEDA would do."""
        there, queued = len(seen.alive), seen.depth.visible + seen.depth.in_flight
        if queued:
            self._active_at = seen.at
        if not there:
            if self._polled_at is None or seen.age_s(self._polled_at) >= 30:
                self._polled_at = seen.at
                return _towards(1 if queued else 0, seen, "activation")
            return _towards(0, seen, "between two polls")
        if self._active_at is None or seen.age_s(self._active_at) >= 300:
            return _towards(0, seen, "cooled down")
        ratio = queued / 5 / there
        desired = there if abs(ratio - 1) <= 0.1 else math.ceil(queued / 5)
        desired = min(max(desired, 1), there + max(there, 4), limits.ceiling)
        self._wanted.append((seen.at, desired))
        while seen.age_s(self._wanted[0][0]) > 300:
            self._wanted.popleft()
        if desired < there:
            desired = min(there, max(wanted for _, wanted in self._wanted))
        return _towards(desired, seen, f"{queued} queued")


class TargetTracking:
    """AWS's target tracking on the backlog per instance, a metric that is published each minute.

    Source: Amazon EC2 Auto Scaling user guide, Scaling policy based on Amazon SQS (acceptable backlog per instance =
    acceptable latency times the rate of one instance) and Target tracking: the alarm for more instances needs three
    minutes above the target, the one for fewer fifteen below nine tenths of it. One instance is the least: with none
    there is no backlog per instance. Instances that warm up (300 s) count as there, and hold off a scale-in.
    """

    OBSERVE_S = 60.0

    def __init__(self) -> None:
        self._metric: deque[float] = deque(maxlen=15)

    def __call__(self, seen: Observation, limits: Limits) -> ScalingDecision:
        """Return what target tracking would do."""
        there = len(seen.alive)
        if not there:
            return _towards(1, seen, "the least")
        target = limits.target_s * limits.service_rate
        self._metric.append(seen.depth.visible / there)
        last = list(self._metric)
        desired = there
        if len(last) >= 3 and min(last[-3:]) > target:
            desired = math.ceil(there * last[-1] / target)
        elif len(last) == 15 and max(last) < 0.9 * target:
            desired = max(1, math.ceil(there * last[-1] / target))
        if desired != there:
            self._metric.clear()
        return _towards(min(desired, limits.ceiling), seen, f"{last[-1]:.1f} for each")


def _towards(desired: int, seen: Observation, reason: str) -> ScalingDecision:
    """Launch what lacks, or ask those to leave that came last, as these systems do."""
    newest = sorted(seen.alive, key=lambda instance: instance.launched_at, reverse=True)
    surplus = newest[: max(0, len(newest) - desired)]
    leaving = tuple(instance.id for instance in surplus)
    launch = max(0, desired - len(newest))
    return ScalingDecision(desired=desired, launch=launch, drain=leaving, reason=reason)
