"""What can be simulated, by name: our policies as they run, and other systems' rules as theirs do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from autoscaler.policy import POLICIES, decide
from autoscaler.simulator.rivals import Keda, TargetTracking, whole_fleet
from autoscaler.simulator.simulation import Policy, Simulation
from autoscaler.simulator.world import Outcome, World
from autoscaler.values import Limits


@dataclass(frozen=True, slots=True)
class Contender:
    """A policy as it is simulated: how often it looks, and after how long without work its workers leave (0: never)."""

    make: Callable[[], Policy]
    observe_s: float = 2.0
    idle_s: float = 30.0


CONTENDERS: dict[str, Contender] = {
    **{name: Contender(lambda: decide) for name in POLICIES},
    "whole-fleet": Contender(lambda: whole_fleet),
    "keda": Contender(Keda, Keda.OBSERVE_S, idle_s=0),
    "target-tracking": Contender(TargetTracking, TargetTracking.OBSERVE_S, idle_s=0),
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
    made = Simulation(
        arrivals_s, contender.make(), limits, world, contender.observe_s, contender.idle_s, seed=seed, tell=tell
    )
    return made.run()
