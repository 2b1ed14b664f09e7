"""The `deadline` policy: as few instances as finish every image within the target. Pure, as `policy` is.

It draws the fleet's capacity over time, with instances that still boot, against what is due by when. While some image
would be late it adds an instance; while all would be in time with one fewer, for a minute more, it asks one to leave.
The constants are what cost least on real and made arrivals with 99.9 % in time (tests/benchmarks/autoscaler.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from app.domain import Instance
from autoscaler.policy.seed import seed
from autoscaler.values import Limits, Observation, ScalingDecision

# Of the target, kept for counts that lag, boots that take longer than the mean, and images out of order: as long as
# nothing is known of the order, and the least and the most once it is.
MARGIN, LEAST_MARGIN, MOST_MARGIN = 0.35, 0.25, 0.85
# Of the target, within which the slowest image of late would have been done.
SLOWEST_WITHIN = 0.9
# Until a launch is of use, arrivals may grow by this; but for a minute at most, however long a boot takes.
GROWTH, GROWS_S = 1.5, 60.0
# Of the target, kept where all that is queued and to come is in time in any order; counts and boots still lag.
ANY_ORDER_MARGIN = 0.2
# Of the time within which launches have all done, that within which all must be done without an instance for it to be
# asked to leave: what comes of that is seen only when it has gone, and another takes a boot.
LEAVES_WITHIN = 0.38
# How long the load must be bearable with one instance fewer before one is asked to leave: a launch costs a minute.
AHEAD_S = 60.0
# Seconds after a boot in which what is late anyway shall be done.
LATE_S = 5.0
# An instance that is not heard in so many times the mean boot, or in so many seconds after it was, may do no work.
SLOW_BOOT, SILENT_S = 2.0, 30.0
# Points at which capacity is held against what is due, of the backlog and of what is to come.
POINTS = 16


def deadline(seen: Observation, limits: Limits) -> ScalingDecision:
    """Want as few instances as finish every image within ``limits.target_s`` of its upload.

    It asks for fewer only instances that have used the seconds that are billed anyway, and the last one only where it
    may rest (``limits.rest_s``): else that leaves by itself when idle, so that no lagging count can end it. Where
    workers cannot be heard it goes by `seed`.
    """
    forecast = _forecast(seen, limits)
    unheard = _unheard(seen, forecast.boot_s)
    deaf = _deaf(seen, unheard)
    if deaf:
        lost = sum(seen.unheard_s(instance) > seen.boot_limit_s(limits) for instance in seen.alive)
        decision = seed(seen, limits, lost)
        return replace(decision, reason=f"{deaf}, so one instance for each image: {decision.reason}")
    counted = [instance for instance in seen.alive if instance not in unheard]
    ready_in_s = [_ready_in_s(instance, seen, forecast.boot_s) for instance in counted]
    there = len(seen.alive)
    said = f"; {len(unheard)} more are not heard" if unheard else ""
    # What is yet to come launches nothing alone: a launch at its arrival is in time as well.
    room = limits.ceiling - there if seen.depth.total else 0
    if seen.depth.total and not there and _may_rest(limits, forecast):
        verdict = f"one is launched when the oldest has waited {limits.rest_s:g} s"
        return ScalingDecision(desired=0, reason=forecast.reason(verdict, 0))
    desired = there + _lacking(ready_in_s, room, limits, forecast)
    if desired > there:
        verdict = f"{desired - len(unheard)} keep every image in time{said}"
        return ScalingDecision(desired=desired, launch=desired - there, reason=forecast.reason(verdict, len(counted)))
    leaving = _surplus(seen, counted, limits, forecast, ready_in_s)
    if leaving:
        reason = forecast.reason(f"{len(counted) - len(leaving)} are enough{said}", len(counted))
        drain = tuple(instance.id for instance in leaving)
        return ScalingDecision(desired=min(there - len(leaving), limits.ceiling), drain=drain, reason=reason)
    reason = forecast.reason(f"as it should be{said}", len(counted))
    return ScalingDecision(desired=min(there, limits.ceiling), reason=reason)


def _lacking(ready_in_s: Sequence[float], room: int, limits: Limits, forecast: _Forecast) -> int:
    """Return how many launches keep every image in time, ``room`` at most.

    Args:
        ready_in_s: of every instance that is counted.
        room: launches under the ceiling.
        limits: the target.
        forecast: what is due.
    """
    within_s, any_order_s = limits.target_s * (1 - forecast.margin), limits.target_s * (1 - ANY_ORDER_MARGIN)
    # What a launch comes too late for is to be done soon after; it is no ground to launch without end.
    soonest_s = forecast.boot_s + LATE_S
    ready = list(ready_in_s)
    while (
        len(ready) - len(ready_in_s) < room
        and not forecast.in_any_order(ready, any_order_s, forecast.boot_s, GROWTH)
        and not forecast.in_time(ready, within_s, forecast.boot_s, GROWTH, soonest_s)
    ):
        ready.append(forecast.boot_s)
    return len(ready) - len(ready_in_s)


def _unheard(seen: Observation, boot_s: float) -> list[Instance]:
    """Return the instances that should have been heard by now; what they are worth is unknown."""
    return [
        instance
        for instance in seen.alive
        if seen.unheard_s(instance) > (SLOW_BOOT * boot_s if instance.heard_at is None else SILENT_S)
    ]


def _deaf(seen: Observation, unheard: list[Instance]) -> str:
    """Return why nothing can be concluded from what workers say; empty when it can."""
    if seen.heard.since is None:
        return "workers cannot be heard"
    dubious = sum(not seen.would_hear(instance, SILENT_S) for instance in unheard)
    # That images are in flight is another witness: where none is, nobody works, heard or not.
    if not dubious or not seen.depth.in_flight:
        return ""
    return f"no worker was heard though {dubious} should have been"


def _surplus(
    seen: Observation, counted: list[Instance], limits: Limits, forecast: _Forecast, ready_in_s: list[float]
) -> list[Instance]:
    """Return the instances without which all is in time as well, those first that have run longest.

    Args:
        seen: the time.
        counted: the instances that work or soon will.
        limits: the seconds billed at least.
        forecast: what is due.
        ready_in_s: of every instance that is counted.
    """
    ready = [instance for instance in counted if instance.heard_at is not None]
    may_leave = [
        instance
        for instance in sorted(ready, key=lambda instance: instance.launched_at)
        if seen.age_s(instance.launched_at) >= limits.bill_s + (seen.estimates.pending_s or 0.0)
    ]
    # Nobody leaves while an image is older than that; nor while anything waits that a new launch would be too late for.
    replaceable = forecast.boot_s <= limits.target_s * (1 - MARGIN)
    within_s = limits.target_s * (1 - forecast.margin) * LEAVES_WITHIN if replaceable else 0.0
    left = list(ready_in_s)
    leaving: list[Instance] = []
    for instance in may_leave[: len(ready) - 1]:
        left.remove(0.0)
        # Those who stay keep up, so that what waits does not grow while the autoscaler is not there.
        if len(left) * forecast.rate < forecast.arrivals:
            break
        if not forecast.in_time(left, within_s, AHEAD_S) or _lacking(left, 1, limits, forecast):
            break
        leaving.append(instance)
    if len(may_leave) == len(seen.alive) == 1 and _may_rest(limits, forecast):
        return may_leave
    return leaving


def _may_rest(limits: Limits, forecast: _Forecast) -> bool:
    """Return whether one instance alone does all in time if it is launched when the oldest image is ``rest_s`` old."""
    rests_s = limits.rest_s - forecast.ages_s[0]
    within_s = limits.target_s * (1 - ANY_ORDER_MARGIN)
    return rests_s > 0 and forecast.in_any_order([rests_s + forecast.boot_s], within_s, within_s, GROWTH)


def _forecast(seen: Observation, limits: Limits) -> _Forecast:
    known = seen.estimates
    return _Forecast(
        backlog=seen.depth.total,
        ages_s=known.ages_s or (0.0,),
        arriving=known.arrival_rate or 0.0,
        arrivals=(known.arrival_rate if known.expected_rate is None else known.expected_rate) or 0.0,
        rate=known.service_rate or limits.service_rate * limits.unsure,
        boot_s=_boot_s(seen, known.boot_s or limits.boot_s),
        margin=_margin(known.disorder),
    )


def _margin(disorder: float | None) -> float:
    """Return the part of the target that is kept, such that the slowest image is done within it."""
    return MARGIN if disorder is None else min(max(LEAST_MARGIN, 1 - SLOWEST_WITHIN / disorder), MOST_MARGIN)


def _boot_s(seen: Observation, believed_s: float) -> float:
    """Return the seconds to boot, given boots under way: what is not heard yet takes as long as that at least.

    One alone may be stuck; two that have taken longer than is believed are believed.
    """
    ages_s = sorted((seen.unheard_s(instance) for instance in seen.alive if instance.heard_at is None), reverse=True)
    return max(believed_s, ages_s[1]) if len(ages_s) > 1 else believed_s


def _ready_in_s(instance: Instance, seen: Observation, boot_s: float) -> float:
    if instance.heard_at is not None:
        return 0.0
    return max(1.0, boot_s - seen.age_s(instance.launched_at))


@dataclass(frozen=True, slots=True)
class _Forecast:
    """What is due by when, and what an instance does.

    Attributes:
        backlog: images outstanding.
        ages_s: their ages, from the oldest to the newest at equal steps.
        arriving: images per second, of late.
        arrivals: the same, to be expected.
        rate: images per second and instance.
        boot_s: from a launch to a worker that is ready.
        margin: of the target, kept for what is not as it is forecast.
    """

    backlog: int
    ages_s: tuple[float, ...]
    arriving: float
    arrivals: float
    rate: float
    boot_s: float
    margin: float

    def in_time(
        self, ready_in_s: Sequence[float], within_s: float, ahead_s: float, growth: float = 1.0, soonest_s: float = 0.0
    ) -> bool:
        """Return whether instances that are ready in so many seconds finish each image within so many of its upload.

        Images to come count as well, for ``ahead_s``, if arrivals grow to ``growth`` times what they are. No image is
        due earlier than in ``soonest_s``; with 0, one that is late already cannot be in time.
        """
        parts = [part / POINTS for part in range(1, POINTS + 1)]
        to_come = self.arrivals * (ahead_s + (growth - 1) * min(ahead_s, GROWS_S))
        due = [(self.backlog * part, self._age_s(part)) for part in parts]
        due += [(self.backlog + to_come * part, -ahead_s * part) for part in parts]
        return all(self._done(ready_in_s, max(within_s - age_s, soonest_s)) >= images for images, age_s in due)

    def in_any_order(self, ready_in_s: Sequence[float], within_s: float, ahead_s: float, growth: float) -> bool:
        """Return whether all is done, what comes in ``ahead_s`` too, before the oldest image is so many seconds old."""
        left_s = within_s - self._age_s(0)
        to_come = self.arrivals * growth * min(ahead_s, GROWS_S, max(0.0, left_s))
        return self._done(ready_in_s, left_s) >= self.backlog + to_come

    def reason(self, verdict: str, there: int) -> str:
        """Return the figures behind a verdict, in words."""
        expected = f"{self.arriving:.3g}/s arriving"
        if f"{self.arrivals:.3g}" != f"{self.arriving:.3g}":
            expected += f" and {self.arrivals:.3g}/s expected"
        return (
            f"{self.backlog} outstanding, the oldest for {self.ages_s[0]:.0f} s, {expected}, "
            f"{self.rate:.3g}/s done by each of {there}: {verdict}"
        )

    def _done(self, ready_in_s: Sequence[float], in_s: float) -> float:
        """Return how many images are done in so many seconds."""
        return self.rate * sum(max(0.0, in_s - ready_s) for ready_s in ready_in_s)

    def _age_s(self, part: float) -> float:
        """Return the age of the image with that part of the backlog before it."""
        steps = len(self.ages_s) - 1
        before = min(int(part * steps), steps - 1) if steps else 0
        after = min(before + 1, steps)
        return self.ages_s[before] + (part * steps - before) * (self.ages_s[after] - self.ages_s[before])
