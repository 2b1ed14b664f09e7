"""Which fault comes when, how long it lasts, and with which other: the seed says all of it."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass

from tests.campaign.faults import FAULTS, Fault
from tests.campaign.system import System


@dataclass(frozen=True)
class Trouble:
    """What came of the plan: faults at once, from when to when (seconds since 1970)."""

    names: tuple[str, ...]
    began: float
    ended: float


@dataclass(frozen=True)
class Plan:
    """What a campaign is drawn by.

    Attributes:
        seed: the same one draws the same.
        seconds: how long faults come.
        calm_s: the least and the most seconds between two troubles.
        only: faults whose names hold one of these; all where it is empty.
        pairs: no fault comes alone that may come with another.
    """

    seed: int
    seconds: float
    calm_s: tuple[float, float]
    only: tuple[str, ...] = ()
    pairs: bool = False

    def faults(self) -> list[Fault]:
        """Return those that may come."""
        return [fault for fault in FAULTS if not self.only or any(text in fault.name for text in self.only)]


def drawn(plan: Plan) -> Iterator[tuple[float, tuple[Fault, ...], float]]:
    """Yield, in order: seconds of calm, faults that come at once (one or two), and how long they last.

    Every fault comes alone before any comes with another, as far as the time reaches; then pairs are drawn.
    """
    chance = random.Random(plan.seed)
    faults = plan.faults()
    together = [fault for fault in faults if not fault.alone]
    left = sorted([] if plan.pairs else faults, key=lambda _: chance.random())
    spent = 0.0
    while spent < plan.seconds:
        if not left and len(together) < 2:
            left = [chance.choice(faults)]
        now = (left.pop(),) if left else tuple(chance.sample(together, 2))
        calm, lasts = chance.uniform(*plan.calm_s), chance.uniform(*now[0].lasts_s)
        spent += calm + lasts
        yield calm, now, lasts


def run(system: System, plan: Plan, tell: Callable[[str], None]) -> Iterator[Trouble]:
    """Carry the plan out for so many seconds; yield each trouble once it is over."""
    chance, end = random.Random(plan.seed), time.time() + plan.seconds
    for calm, faults, lasts in drawn(plan):
        if time.time() + calm + lasts > end:
            return
        time.sleep(calm)
        names = tuple(fault.name for fault in faults)
        tell(f"{' and '.join(names)}, {lasts:.0f} s")
        began = time.time()
        with ExitStack() as held:
            for fault in faults:
                held.enter_context(fault.hold(system, chance))
            time.sleep(lasts)
        yield Trouble(names, began, time.time())
