"""What the autoscaler sees and wants, by what it announces."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from prometheus_client.metrics_core import Metric

from app.announcements import ScalingDecided
from app.domain import InstanceState
from app.telemetry.families import gauge, gauges

_MEASURED = {
    "oldest_s": ("oldest_image_seconds", "Age of the oldest outstanding image."),
    "arrival_rate": ("arrival_rate", "Images that arrive in a second."),
    "service_rate": ("service_rate", "Images that one busy instance does in a second."),
    "boot_s": ("boot_seconds", "Seconds from a launch to a worker that is ready."),
}


def of_decision(decided: ScalingDecided) -> Iterator[Metric]:
    """Yield what a decision and what it was made of tell; what was not measured is left out."""
    states = Counter(instance.state for instance in decided.fleet)
    there = {state.value: float(states[state]) for state in InstanceState if state is not InstanceState.TERMINATED}
    yield gauges("elastiq_instances", "Instances by state, as the autoscaler sees them.", "state", there)
    yield gauge("elastiq_instances_desired", "Instances that the autoscaler wants.", decided.desired)
    yield gauge("elastiq_instances_ceiling", "Instances that there may be.", decided.ceiling)
    tripped = "Whether instances do not come to work, so that one is tried."
    yield gauge("elastiq_breaker_open", tripped, decided.breaker_open)
    spent = "Whether the day's budget is used up, so that none is launched."
    yield gauge("elastiq_over_budget", spent, decided.over_budget)
    resting = "Whether on demand comes before spot, after interruptions."
    yield gauge("elastiq_spot_resting", resting, decided.spot_resting)
    yield gauge("elastiq_spent_instance_hours", "Instance-hours of this day, UTC.", decided.spent_h)
    if decided.budget_h:
        yield gauge("elastiq_budget_instance_hours", "Instance-hours that a day may cost.", decided.budget_h)
    yield gauge("elastiq_held", "Whether the autoscaler saw no ground to act on, or could not.", decided.held)
    for field, (name, help) in _MEASURED.items():
        value = getattr(decided, field)
        if value is not None:
            yield gauge(f"elastiq_{name}", help, value)
