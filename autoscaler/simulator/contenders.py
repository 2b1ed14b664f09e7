"""What can be simulated, by name: our policies as they run, and other systems' rules as theirs do."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from autoscaler.policy import POLICIES, decide
from autoscaler.simulator.rivals import Keda, TargetTracking, whole_fleet
from autoscaler.simulator.simulation import EPOCH, Policy, Simulation
from autoscaler.simulator.world import Outcome, World
from autoscaler.values import Limits, Observation, ScalingDecision


@dataclass(frozen=True, slots=True)
class Contender:
    """A policy as it is simulated.

    Attributes:
        make: makes it for a run, of whose arrivals, in seconds, it may know.
        observe_s: how often it looks.
        idle_s: after how long without work its workers leave; 0: never.
    """

    make: Callable[[Sequence[float]], Policy]
    observe_s: float = 2.0
    idle_s: float = 30.0


class Oracle:
    """The policy `deadline` if it knew what comes in the next minute.

    Args:
        arrivals_s: when each image arrives, ascending.
    """

    AHEAD_S = 60.0

    def __init__(self, arrivals_s: Sequence[float]) -> None:
        self._arrivals_s = arrivals_s

    def __call__(self, seen: Observation, limits: Limits) -> ScalingDecision:
        """Return what `deadline` would do."""
        now_s = seen.age_s(EPOCH)
        to_come = bisect_right(self._arrivals_s, now_s + self.AHEAD_S) - bisect_right(self._arrivals_s, now_s)
        rate = to_come / self.AHEAD_S
        known = replace(seen.estimates, arrival_rate=rate, expected_rate=rate)
        return decide(replace(seen, estimates=known), replace(limits, policy="deadline"))


CONTENDERS: dict[str, Contender] = {
    **{name: Contender(lambda _: decide) for name in POLICIES},
    "oracle": Contender(Oracle),
    "whole-fleet": Contender(lambda _: whole_fleet),
    "keda": Contender(lambda _: Keda(), Keda.OBSERVE_S, idle_s=0),
    "target-tracking": Contender(lambda _: TargetTracking(), TargetTracking.OBSERVE_S, idle_s=0),
}


def simulate(
    arrivals_s: Sequence[float],
    policy: str,
    limits: Limits,
    world: World,
    seed: int = 0,
    tell: Callable[[float, int], object] = lambda *_: None,
) -> Outcome:
    """Run ``policy``, one of `CONTENDERS`, on images that arrive at these seconds, ascending.

    Args:
        arrivals_s: when each image arrives, ascending.
        policy: its name.
        limits: what it decides within.
        world: everything else.
        seed: of the random numbers.
        tell: is told of the course, as `Simulation` does.

    Raises:
        ConfigurationError: nobody would ever finish the work.
        KeyError: there is no such policy.
    """
    contender = CONTENDERS[policy]
    made = contender.make(arrivals_s)
    return Simulation(arrivals_s, made, limits, world, contender.observe_s, contender.idle_s, seed, tell).run()
