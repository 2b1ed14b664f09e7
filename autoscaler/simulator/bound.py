"""The least that anybody could be billed for a trace, who knew all arrivals from its first second on.

A linear programme over slots of a few seconds: with launches u and instances x in each slot, and the work W done by its
end, it minimises the slots billed. A launch is billed while it boots; each instance is billed for a minute at least;
there are never more than the ceiling; W lies between the arrivals a target ago and the arrivals until now, and grows by
what the instances do that are ready. Where few instances suffice, their number being whole matters, and an exact search
over who was launched when adds that. Whoever is simulated also meets chance, which neither of them does.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.optimize import linprog

from app.errors import ConfigurationError
from autoscaler.simulator.world import World
from autoscaler.values import Limits

# Seconds in a slot: the first that makes no more slots and, for whole instances, no more steps than these.
SLOTS_S = (1.0, 2.0, 5.0, 10.0, 20.0, 60.0)
MOST_SLOTS, MOST_STEPS = 4400, 1.5e8
# In the longest slots.
MOST_DAYS = 31

Curve = np.ndarray[tuple[int], np.dtype[np.float64]]


@dataclass(frozen=True, slots=True)
class _Problem:
    """A trace in slots.

    Attributes:
        slot_s: seconds in each.
        rate: images that an instance does in a slot.
        boots: slots that are billed before an instance is ready.
        stays: slots that are billed at least.
        ceiling: instances at most, of each slot: none can be there in the first.
        done_most, done_least: the images that may be, and must be, done by the end of each slot.
    """

    slot_s: float
    rate: float
    boots: int
    stays: int
    ceiling: Curve
    done_most: Curve
    done_least: Curve


def bound(arrivals_s: Sequence[float], limits: Limits, world: World) -> float:
    """Return the seconds that are billed at least if every image shall be done within the target.

    Images that the whole fleet, launched at the first second, would do late may be as late as that.

    Args:
        arrivals_s: when each image arrives, ascending; at least one.
        limits: the target and the ceiling.
        world: the rate, and what is billed.

    Raises:
        ConfigurationError: the trace is longer than a month.
    """
    coarse = _problem(arrivals_s, limits, world, _slot_s(arrivals_s, limits, world))
    billed_slots, highest = _fractions(coarse)
    least_s, most = billed_slots * coarse.slot_s, max(1, math.ceil(highest - 1e-6))
    # That many are enough, unless it is their being whole that makes them fall short.
    for instances in range(most, min(most + 1, limits.ceiling) + 1):
        slot_s = _whole_slot_s(instances, coarse, world)
        whole = _whole(_problem(arrivals_s, limits, world, slot_s), instances) if slot_s else None
        if whole is not None:
            return max(least_s, whole * slot_s)
    return least_s


def _whole_slot_s(instances: int, coarse: _Problem, world: World) -> float:
    """Return the shortest slots in which so many whole instances can be searched in seconds; 0 if there are none."""
    for slot_s in SLOTS_S:
        stays = round(world.bill_s / slot_s)
        ways = math.comb(instances + stays, instances)
        if ways * instances**2 * 2 * stays * len(coarse.done_most) * coarse.slot_s / slot_s <= MOST_STEPS:
            return slot_s
    return 0.0


def _slot_s(arrivals_s: Sequence[float], limits: Limits, world: World) -> float:
    until_s = arrivals_s[-1] + limits.target_s + world.bill_s
    if until_s > MOST_DAYS * 86400:
        raise ConfigurationError(f"the bound of more than {MOST_DAYS} days is not computed: give --seconds")
    return next((slot_s for slot_s in SLOTS_S if until_s / slot_s <= MOST_SLOTS), SLOTS_S[-1])


def _problem(arrivals_s: Sequence[float], limits: Limits, world: World, slot_s: float) -> _Problem:
    arrivals = np.asarray(arrivals_s)
    slots = math.ceil((arrivals[-1] + limits.target_s + world.bill_s + world.boot_s) / slot_s)
    ends_s = slot_s * np.arange(1, slots + 1)
    arrived = np.searchsorted(arrivals, ends_s, side="right").astype(float)
    due = np.searchsorted(arrivals, ends_s - limits.target_s, side="right").astype(float)
    ceiling = np.where(ends_s > world.pending_s, float(limits.ceiling), 0.0)
    rate = world.rate * slot_s
    least = np.minimum(due, _at_once(arrived, ends_s, rate * limits.ceiling, world.boot_s))
    boots = int((world.boot_s - world.pending_s) / slot_s)
    return _Problem(slot_s, rate, boots, max(1, boots, round(world.bill_s / slot_s)), ceiling, arrived, least)


def _at_once(arrived: Curve, ends_s: Curve, most: float, boot_s: float) -> Curve:
    """Return what the whole fleet has done by the end of each slot, if it is launched at the first second."""
    done, curve = 0.0, []
    for here, end_s in zip(arrived, ends_s, strict=True):
        done = min(here, done + (most if end_s > boot_s else 0.0))
        curve.append(done)
    return np.asarray(curve)


def _fractions(problem: _Problem) -> tuple[float, float]:
    """Return the slots billed at least, parts of an instance being allowed, and the most instances in one."""
    slots = len(problem.done_most)
    one, none = sparse.identity(slots, format="csr"), sparse.csr_matrix((slots, slots))
    change = one - sparse.eye(slots, k=-1, format="csr")
    launched = sparse.hstack([change, -one, none])
    stayed = sparse.hstack([-one, _last(slots, problem.stays), none])
    worked = sparse.hstack([-one, _last(slots, problem.boots), change / problem.rate])
    found = linprog(
        np.concatenate([np.ones(slots), np.zeros(2 * slots)]),
        A_ub=sparse.vstack([launched, stayed, worked], format="csr"),
        b_ub=np.zeros(3 * slots),
        bounds=np.stack(
            [
                np.concatenate([np.zeros(2 * slots), problem.done_least]),
                np.concatenate([problem.ceiling, problem.ceiling, problem.done_most]),
            ],
            axis=1,
        ),
        method="highs",
    )
    if found.x is None:
        raise ConfigurationError(f"no bound can be found: {found.message}")
    return float(found.fun), float(found.x[:slots].max())


def _last(slots: int, count: int) -> sparse.csr_matrix:
    """Return what adds up, for each slot, itself and those before it, ``count`` in all."""
    if not count:
        return sparse.csr_matrix((slots, slots))
    return sparse.diags([1.0] * count, [-back for back in range(count)], shape=(slots, slots), format="csr")


def _whole(problem: _Problem, most: int) -> float | None:
    """Return the slots billed at least by whole instances, never more than ``most``; None: those cannot do it.

    Of each way in which instances can have been launched it keeps, for each bill, the most work that can be done: more
    work never hurts. Bills that no saving could make up for are dropped.
    """
    ways = list(_ways(problem.stays, most))
    number = {way: place for place, way in enumerate(ways)}
    moves = sorted(move for way in ways for move in _moves(way, number, problem, most))
    after, before, bills, ready = (np.asarray(column) for column in zip(*moves, strict=True))
    starts = np.searchsorted(after, np.arange(len(ways)))
    width = 2 * most * problem.stays + most
    columns = np.arange(width)[None, :] - bills[:, None] + most
    done = np.full((len(ways), width), -np.inf)
    done[number[(0,) * problem.stays], 0] = 0.0
    billed = 0
    for ceiling, arrived, due in zip(problem.ceiling, problem.done_most, problem.done_least, strict=True):
        padded = np.concatenate([np.full((len(ways), most), -np.inf), done], axis=1)
        then = np.minimum(padded[before[:, None], columns] + (ready * problem.rate)[:, None], arrived)
        then[(then < due - 1e-6) | (bills > ceiling)[:, None]] = -np.inf
        done = np.maximum.reduceat(then, starts, axis=0)
        possible = np.flatnonzero(done.max(axis=0) > -np.inf)
        if not len(possible):
            return None
        billed += int(possible[0])
        done = np.concatenate([done[:, possible[0] :], np.full((len(ways), possible[0]), -np.inf)], axis=1)
    return float(billed)


def _ways(stays: int, most: int) -> Iterator[tuple[int, ...]]:
    """Yield each way in which up to ``most`` instances can be there.

    It is how many were launched one slot ago, two, and so on, and, last, how many have stayed long enough to leave.
    """
    if not stays:
        yield ()
        return
    for here in range(most + 1):
        for rest in _ways(stays - 1, most - here):
            yield (here, *rest)


def _moves(
    way: tuple[int, ...], number: dict[tuple[int, ...], int], problem: _Problem, most: int
) -> Iterator[tuple[int, int, int, int]]:
    """Yield what can happen in a slot: the way after and before it, the instances billed in it, and those ready."""
    *bound_to_stay, free = way
    for stay in range(free + 1):
        for new in range(most - sum(bound_to_stay) - stay + 1):
            after = (new, *bound_to_stay[:-1], stay + bound_to_stay[-1]) if bound_to_stay else (new + stay,)
            ready = stay + sum(bound_to_stay[max(0, problem.boots - 1) :]) + (0 if problem.boots else new)
            yield number[after], number[way], sum(bound_to_stay) + stay + new, ready
