"""The world that a simulated autoscaler cannot choose, and what comes of a run in it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

# A slow boot takes so many times the mean.
SLOW_BOOT = 3.0


@dataclass(frozen=True, slots=True)
class World:
    """What the policy cannot choose. Times in seconds.

    Attributes:
        rate: images per second and instance, in the mean; a service takes half to one and a half times that.
        boot_s: from a launch to a worker that is ready, in the mean; the deviation is an eighth of it.
        pending_s: of the boot, the part before `running`, which is not billed.
        failing_boots: the share of launches that end before they are ready.
        reclaims_per_hour: how often a running instance is taken back; it then drains.
        holds: images that a worker has in hand at once.
        partitions: of the queue; each is in order, and a receive draws from any.
        disorder: the share of receives that get any message of a partition, not the first; 1: no order at all.
        lag_s: mean age of the counts; exponentially distributed, a minute at most.
        heartbeat_s: how often a worker tells how many images it has done.
        bill_s: seconds billed at least.
        poll_s: how long a receive waits for a message; who drains waits for the one that is under way.
        power_off_s: from a worker's end to its host's, billed.
        slow_boots: the share of launches that take `SLOW_BOOT` times as long.
        fails_late: whether a boot that fails does so after one to three times the mean, not before the mean.
    """

    rate: float
    boot_s: float = 30.0
    pending_s: float = 10.0
    failing_boots: float = 0.01
    reclaims_per_hour: float = 0.0
    holds: int = 8
    partitions: int = 16
    disorder: float = 0.0
    lag_s: float = 2.0
    heartbeat_s: float = 2.0
    bill_s: float = 60.0
    poll_s: float = 0.0
    power_off_s: float = 0.0
    slow_boots: float = 0.0
    fails_late: bool = False


def harsh(world: World) -> World:
    """Return a world with all that goes wrong on an ordinary day.

    Sources: ELASTIQ_POLL_SECONDS for the receive. Amazon SQS developer guide: counts are approximate and take up to a
    minute to be right; a standard queue's messages are generally delivered in the order in which they were sent, of
    which it gives no figure. The rest are assumptions: one message in twenty beside its order, a power-off of 8 s,
    one boot in twenty that takes three times as long, boots that fail when they should be ready.
    """
    return replace(world, poll_s=20.0, power_off_s=8.0, lag_s=10.0, slow_boots=0.05, fails_late=True, disorder=0.05)


@dataclass(slots=True)
class Outcome:
    """What came of a run.

    Attributes:
        waits_s: from each image's arrival to its end.
        bills: of each instance, the seconds billed and the images done.
        course: at each observation the time, the images outstanding, the instances ready, and all instances.
    """

    waits_s: list[float]
    bills: list[tuple[float, int]] = field(default_factory=list)
    course: list[tuple[float, int, int, int]] = field(default_factory=list)
