"""The autoscaler's trials: the real loop, observer and EC2 adapter in a `World` of fake time, and what came of it."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any

from app.announcements import WorkerHeartbeat
from app.process.alive import AliveFile
from app.process.clock import SteadyClock
from app.settings import Settings
from autoscaler.fleet.ec2 import Ec2Fleet
from autoscaler.listen import Hearing
from autoscaler.loop import Loop
from autoscaler.observe import Observer
from autoscaler.values import Limits, Observation, ScalingDecision
from tasks.worker.notices import PATHS
from tests.support.world import HOLDS, Host, World, sqs_counts

# An autoscaler hears its own decisions, at least so often.
ECHO_S = 10.0


class Trial:
    """A loop in a world.

    Args:
        world: where it runs.
        policy: by which it decides.
        every_s: seconds between two looks.
        listens: whether workers can be heard.
        limits: those that are not as usual.
        changes: of the settings of ``ec2``.
    """

    def __init__(
        self,
        world: World,
        *,
        policy: str = "deadline",
        every_s: float = 2.0,
        listens: bool = True,
        limits: Mapping[str, Any] | None = None,
        **changes: Any,
    ) -> None:
        self.world, self.every_s = world, every_s
        self.told: list[tuple[float, Observation, ScalingDecision]] = []
        self._listens, self._changes = listens, changes
        self._limits = Limits(ceiling=19, policy=policy, **limits or {})
        self._echoed_s = -ECHO_S
        self.clock = SteadyClock(world.clock, world.elapsed)

    def run(self, seconds: float, *then: tuple[float, Callable[[World], object]]) -> Trial:
        """Run the loop for so many seconds; at each of the times of ``then`` something happens to the world."""
        with self.world.connected() as settings:
            loop = self._loop(settings)
            todo = sorted(then, key=lambda one: one[0])

            def wait(pause_s: float) -> bool:
                self.world.pass_time(pause_s)
                while todo and todo[0][0] <= self.world.now_s:
                    todo.pop(0)[1](self.world)
                self._echo()
                return self.world.now_s >= seconds

            loop.run(wait, self.every_s, AliveFile(""))
        return self

    def _loop(self, settings: Settings) -> Loop:
        ec2 = {"launch_template": "template", "subnets": "a,b,c", **self._changes}
        settings = replace(settings, ec2=replace(settings.ec2, **ec2))
        hearing = Hearing(HOLDS, self.clock) if self._listens else None
        if hearing:
            hearing.begin()
            self.world.listeners.append(hearing.hear)
        fleet = Ec2Fleet(
            settings, self.world.ask_to_leave, self.clock, lambda: hearing.interrupted().values() if hearing else ()
        )
        observer = Observer(settings, fleet, self.clock, hearing)
        return Loop(observer, fleet, self._limits, tell=self._tell, keep=self._keep)

    def _tell(self, seen: Observation, decision: ScalingDecision, limits: Limits) -> None:
        self.told.append((self.world.now_s, seen, decision))

    def _keep(self, ids: tuple[str, ...], at: datetime) -> None:
        self.world.ask_to_stay(ids)

    def _echo(self) -> None:
        if self.world.now_s - self._echoed_s >= ECHO_S:
            self._echoed_s = self.world.now_s
            self.world.say(None, "leader")

    def figures(self) -> dict[str, float]:
        """Return what came of it, in numbers."""
        world = self.world
        return {
            "launches": world.launches,
            "run_calls": world.calls["RunInstances"],
            "instance_hours": round(world.instance_hours, 2),
            "over_work": round(world.instance_hours / world.work_hours, 2) if world.waits_s else 0.0,
            "images": len(world.waits_s),
            "late_percent": round(100 * world.late, 2),
            "most_there": most_there(world),
            "there_at_the_end": len(world.there),
        }


def most_there(world: World) -> int:
    """Return how many instances there were at once at most."""
    changes = [(host.launched_s, 1) for host in world.hosts.values()]
    changes += [(host.end_s, -1) for host in world.hosts.values() if host.end_s is not None]
    there = most = 0
    for _, change in sorted(changes):
        there += change
        most = max(most, there)
    return most


HOUR_S = 3600.0
# A day on which something comes for ten minutes.
GOOD_S = 800.0
CODES = (
    "RequestLimitExceeded",
    "PendingVerification",
    "OptInRequired",
    "UnauthorizedOperation",
    "AuthFailure",
    "Blocked",
    "ExpiredToken",
    "InvalidLaunchTemplateName.NotFoundException",
    "InvalidParameterValue",
    "InsufficientInstanceCapacity",
    "VcpuLimitExceeded",
    "Client.NeverHeardOf",
    "InternalError",
)


def steady(per_s: float, until_s: float = 600.0) -> Callable[[float], float]:
    """Return arrivals at one rate, which end."""
    return lambda second: per_s if second < until_s else 0.0


def falling(second: float) -> float:
    """Return much for five minutes, and then a little for ten."""
    return 16.0 if second < 300 else 2.0 if second < 900 else 0.0


def never(host: Host, chance: random.Random) -> None:
    """Boot, and never be heard."""
    host.ready_s = math.inf


def in_s(least_s: float, most_s: float) -> Callable[[Host, random.Random], None]:
    """Return a boot that takes between so many seconds."""

    def boot(host: Host, chance: random.Random) -> None:
        host.ready_s = chance.uniform(least_s, most_s)

    return boot


def one_image(**how: Any) -> World:
    """Return a world in which one image waits."""
    world = World(**how)
    world.put(1)
    return world


def broken_image(hours: float = 24.0, **how: Any) -> Trial:
    """No instance is ever heard, and one image waits."""
    return Trial(one_image(boot=never), every_s=8.0, **how).run(hours * HOUR_S)


def broken_image_purged(hours: float = 4.0) -> Trial:
    """The same, and after an hour nothing waits any more."""
    return Trial(one_image(boot=never), every_s=8.0).run(hours * HOUR_S, (HOUR_S, lambda world: world.queue.clear()))


def powers_off(hours: float = 6.0) -> Trial:
    """Every host ends 45 s after its launch, and a hundred images wait."""

    def boot(host: Host, chance: random.Random) -> None:
        host.ready_s, host.dies_s = math.inf, 45.0

    world = World(boot=boot)
    world.put(100)
    return Trial(world).run(hours * HOUR_S)


def crashes_once_heard(hours: float = 2.0) -> Trial:
    """Every worker is heard, does nothing, and its host ends 10 s later."""

    def boot(host: Host, chance: random.Random) -> None:
        host.dies_s = host.ready_s + 10.0

    return Trial(one_image(boot=boot, rate=0.01)).run(hours * HOUR_S)


def new_image_broken(hours: float = 2.0) -> Trial:
    """Two instances work; what is launched ten minutes later, for twice the work, is never heard."""

    def boot(host: Host, chance: random.Random) -> None:
        host.ready_s = 30.0 if host.launched_s < 600 else math.inf

    world = World(arrivals=lambda second: 3.0 if second < 600 else 6.0 if second < hours * HOUR_S else 0.0, boot=boot)
    return Trial(world).run(hours * HOUR_S)


def slow_boots(least_s: float, most_s: float) -> Trial:
    """Boots take longer than believed; there is work for four."""
    return Trial(World(arrivals=steady(6.5, 1500), boot=in_s(least_s, most_s))).run(2000)


def clock_ahead(seconds: float) -> Trial:
    """EC2's clock is ahead of the autoscaler's."""
    return Trial(World(arrivals=steady(6.5), ec2_ahead_s=seconds)).run(GOOD_S)


def clock_jumps(seconds: float) -> Trial:
    """The wall clock of the autoscaler's host is set while it works."""

    def jump(world: World) -> None:
        world.wall_ahead_s = seconds

    return Trial(World(arrivals=steady(6.5))).run(GOOD_S, (300, jump))


def suspended() -> Trial:
    """The autoscaler's host sleeps for 40 minutes; the workers go on."""
    return Trial(World(arrivals=steady(6.5, 3600))).run(3800, (600, lambda world: world.sleep(2400)))


def refused(code: str, name: str, value: str, **how: Any) -> Trial:
    """One kind of place refuses every launch."""

    def refuse(action: str, call: dict[str, str]) -> str:
        return code if action == "RunInstances" and call.get(name) == value else ""

    return Trial(World(arrivals=steady(6.5), refuse=refuse), **how).run(GOOD_S)


def subnet_gone() -> Trial:
    """The first of three subnets is no more."""
    return refused("InvalidSubnetID.NotFound", "SubnetId", "a")


def type_invalid() -> Trial:
    """The first of two instance types does not exist."""
    return refused("InvalidParameterValue", "InstanceType", "c99.large", instance_types="c99.large,c7i.large")


def spot_role_missing() -> Trial:
    """The account has no role for spot instances."""
    code = "AuthFailure.ServiceLinkedRoleCreationNotPermitted"
    return refused(code, "InstanceMarketOptions.MarketType", "spot", spot=True)


def always(code: str, action: str = "RunInstances", seconds: float = HOUR_S, every_s: float = 2.0) -> Trial:
    """One call is always refused, for one reason."""
    world = one_image(refuse=lambda asked, call: code if asked == action else "")
    return Trial(world, every_s=every_s).run(seconds)


def listing_lags() -> Trial:
    """An instance is missing in 30 % of the listings of its first minute."""

    def listed(host: Host, world: World) -> bool:
        return world.now_s - host.launched_s > 60 or world.chance.random() > 0.3

    return Trial(World(arrivals=steady(6.5), listed=listed)).run(GOOD_S)


def listing_lags_for_minutes() -> Trial:
    """An instance comes into the listing four minutes after its launch, and is then missing in one of twenty."""

    def listed(host: Host, world: World) -> bool:
        return world.now_s - host.launched_s > 240 and world.chance.random() > 0.05

    return Trial(World(arrivals=steady(6.5), listed=listed)).run(GOOD_S)


def pending_for_an_hour() -> Trial:
    """The first instance is pending for an hour and never comes to work; there is work for four, all the while."""
    first: list[Host] = []

    def boot(host: Host, chance: random.Random) -> None:
        if not first:
            first.append(host)
            host.pending_s, host.ready_s = HOUR_S, math.inf

    return Trial(World(arrivals=steady(6.5), boot=boot)).run(GOOD_S)


def shutting_down_for_an_hour() -> Trial:
    """Whatever ends is listed as shutting down for an hour; the load falls, and rises again."""
    return Trial(World(arrivals=lambda second: falling(second % 1100), ends_in_s=HOUR_S)).run(2200)


def recommended(per_hour: float, seconds: float = HOUR_S) -> Trial:
    """Workers are recommended to be replaced so often."""
    heeds = "events/recommendations/rebalance" in PATHS
    return Trial(World(arrivals=steady(6.5, seconds), recommended_per_hour=per_hour, heeds=heeds)).run(seconds + 300)


def tags_denied() -> Trial:
    """Instances may not be tagged, so that a worker can only be told by remote control."""
    world = World(arrivals=falling, refuse=lambda action, call: "UnauthorizedOperation" * (action == "CreateTags"))
    return Trial(world).run(1100)


def ends_denied(hours: float = 2.0) -> Trial:
    """Instances may not be terminated, and none is ever heard."""

    def refuse(action: str, call: dict[str, str]) -> str:
        return "UnauthorizedOperation" if action == "TerminateInstances" else ""

    return Trial(one_image(boot=never, refuse=refuse), every_s=8.0).run(hours * HOUR_S)


def counts_odd(visible: str | None) -> Trial:
    """For two minutes SQS's count of what is visible is no count, or missing."""

    def counts(there: int, in_flight: int) -> dict[str, str]:
        made = sqs_counts(there, in_flight)
        if 300 <= world.now_s < 420:
            made.pop("ApproximateNumberOfMessages")
            made.update({} if visible is None else {"ApproximateNumberOfMessages": visible})
        return made

    world = World(arrivals=steady(6.5), counts=counts)
    return Trial(world).run(GOOD_S)


def heartbeats_lie(ahead_s: float) -> Trial:
    """One heartbeat of each worker is dated so far ahead, and a stranger tells of itself, and of much work."""

    def lie(world: World) -> None:
        for host in world.there:
            world.say(WorkerHeartbeat(0, host.done), f"{host.id}@host", world.now_s + ahead_s)
        world.say(WorkerHeartbeat(0, 0), "stranger@host")
        world.say(WorkerHeartbeat(0, 10**9), "stranger@host")

    return Trial(World(arrivals=steady(6.5))).run(GOOD_S, (300, lie))


def good_days() -> Trial:
    """Nothing goes wrong."""
    return Trial(World(arrivals=steady(6.5))).run(GOOD_S)


def good_days_falling() -> Trial:
    """Nothing goes wrong, and the load falls."""
    return Trial(World(arrivals=falling)).run(1100)


def workers_unheard() -> Trial:
    """Workers do their work, and may not say so."""
    return Trial(World(arrivals=steady(6.5), hears=lambda said, world: said.what is None)).run(GOOD_S)


TRIALS: dict[str, Callable[[], Trial]] = {
    "nothing goes wrong": good_days,
    "nothing goes wrong, and the load falls": good_days_falling,
    "the image is broken, one photograph waits, 24 h": broken_image,
    "the same, and the queue is purged after an hour, 4 h": broken_image_purged,
    "the same, and workers cannot be heard by setting, 24 h": lambda: broken_image(listens=False),
    "the host powers itself off after 45 s, 6 h": powers_off,
    "the worker is heard and its host ends 10 s later, 2 h": crashes_once_heard,
    "the new image is broken while old workers work, 2 h": new_image_broken,
    "boots take 90 to 280 s": lambda: slow_boots(90, 280),
    "boots take 320 s": lambda: slow_boots(320, 320),
    "EC2's clock is 30 s ahead": lambda: clock_ahead(30),
    "EC2's clock is 120 s ahead": lambda: clock_ahead(120),
    "EC2's clock is 120 s behind": lambda: clock_ahead(-120),
    "the first of three subnets is gone": subnet_gone,
    "the first of two types is invalid": type_invalid,
    "the role for spot instances is missing": spot_role_missing,
    **{f"{code} for an hour": partial(always, code) for code in CODES},
    "DescribeInstances is throttled for an hour": partial(always, "RequestLimitExceeded", "DescribeInstances"),
    "an instance is missing in 30 % of the listings of its first minute": listing_lags,
    "an instance is listed after four minutes, and then not always": listing_lags_for_minutes,
    "the first instance is pending for an hour": pending_for_an_hour,
    "what ends is shutting down for an hour": shutting_down_for_an_hour,
    "60 recommendations to replace an hour": lambda: recommended(60),
    "120 recommendations to replace an hour": lambda: recommended(120),
    "CreateTags is denied": tags_denied,
    "TerminateInstances is denied, and the image broken, 2 h": ends_denied,
    "a count is NaN for two minutes": lambda: counts_odd("NaN"),
    "a count is missing for two minutes": lambda: counts_odd(None),
    "the wall clock jumps an hour ahead": lambda: clock_jumps(HOUR_S),
    "the wall clock jumps an hour back": lambda: clock_jumps(-HOUR_S),
    "the autoscaler's host sleeps for 40 minutes": suspended,
    "heartbeats come an hour ahead, and from a stranger": lambda: heartbeats_lie(HOUR_S),
    "workers work and may not say so": workers_unheard,
}
