"""`python -m autoscaler.simulate TRACE.csv`: what a policy would make of real arrivals, in figures and as a picture.

A trace is a CSV file with a header and rows of ``second,requests``; a row's requests are spread evenly up to the next
row's second.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import click

from app.errors import ConfigurationError, ElastiqError
from autoscaler.policy import POLICIES, decide
from autoscaler.simulator.rivals import Keda, TargetTracking, whole_fleet
from autoscaler.simulator.simulation import Outcome, Policy, Simulation, World
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


def simulate(arrivals_s: Sequence[float], policy: str, limits: Limits, world: World, seed: int = 0) -> Outcome:
    """Run ``policy``, one of `CONTENDERS`, on images that arrive at these seconds, ascending.

    Raises:
        KeyError: there is no such policy.
    """
    contender = CONTENDERS[policy]
    return Simulation(arrivals_s, contender.make(), limits, world, contender.observe_s, contender.idle_s, seed).run()


def report(outcome: Outcome, arrivals_s: Sequence[float], limits: Limits, world: World) -> dict[str, Any]:
    """Return the figures of a run; waits and bills in seconds, shares between 0 and 1."""
    waits = sorted(outcome.waits_s)
    billed = sum(seconds for seconds, _ in outcome.bills)
    work = len(waits) / world.rate
    return {
        "images": len(waits),
        "work_seconds": round(work, 3),
        "billed_seconds": round(billed, 3),
        "billed_over_work": round(billed / work, 4) if work else None,
        "launches": len(outcome.bills),
        "wasted_launches": sum(not done for _, done in outcome.bills),
        "peak_instances": max((instances for *_, instances in outcome.course), default=0),
        **{f"p{part}": _percentile(waits, part) for part in (50, 95, 99)},
        "longest": round(waits[-1], 3) if waits else None,
        "over_target": sum(wait > limits.target_s for wait in waits),
        "share_over_target": round(sum(wait > limits.target_s for wait in waits) / len(waits), 6) if waits else 0.0,
        **_elasticity(outcome, arrivals_s, world),
    }


def read_trace(path: Path, scale: float = 1.0, start_s: float = 0.0, seconds: float = math.inf) -> list[float]:
    """Return when each image of a trace arrives, in seconds from ``start_s``.

    Args:
        path: the CSV file.
        scale: multiplies the requests; what is left of a fraction counts in the next row.
        start_s: the first second of the trace that counts.
        seconds: how many count.

    Raises:
        ConfigurationError: the file is not a trace.
    """
    rows = _rows(path)
    arrivals: list[float] = []
    due = 0.0
    for (second, requests), (until, _) in pairwise([*rows, (2 * rows[-1][0] - rows[-2][0], 0.0)]):
        if not start_s <= second < start_s + seconds:
            continue
        due += requests * scale
        count, due = int(due), due - int(due)
        arrivals += [second - start_s + (until - second) * (part + 0.5) / count for part in range(count)]
    return arrivals


def _rows(path: Path) -> list[tuple[float, float]]:
    try:
        with path.open(newline="") as file:
            header, *rows = csv.reader(file)
            if header != ["second", "requests"]:
                raise ConfigurationError(f"{path}: its first line must be `second,requests`")
            found = [(float(second), float(requests)) for second, requests in rows]
    except (ValueError, UnicodeDecodeError) as err:
        raise ConfigurationError(f"{path}: not a CSV file of numbers: {err}") from err
    if len(found) < 2 or any(before >= after for (before, _), (after, _) in pairwise(found)):
        raise ConfigurationError(f"{path}: it must have two rows or more, its seconds ascending")
    return found


def _percentile(ascending: Sequence[float], part: float) -> float | None:
    """Return the smallest wait that ``part`` percent do not exceed."""
    return round(ascending[math.ceil(len(ascending) * part / 100) - 1], 3) if ascending else None


def _elasticity(outcome: Outcome, arrivals_s: Sequence[float], world: World, step_s: float = 60.0) -> dict[str, float]:
    """Return under- and over-provisioning: instances that lack or are too many, over those demanded, in the mean.

    A minute demands as many instances as its arrivals keep busy.
    Source: SPEC Research Group, Ready for Rain? A View from SPEC Research on the Future of Cloud Metrics, accuracy.
    """
    demand: dict[int, int] = {}
    for arrival in arrivals_s:
        demand[int(arrival // step_s)] = demand.get(int(arrival // step_s), 0) + 1
    lacking = surplus = steps = 0.0
    for at_s, _, _, instances in outcome.course:
        needed = math.ceil(demand.get(int(at_s // step_s), 0) / step_s / world.rate)
        lacking += max(0, needed - instances) / max(1, needed)
        surplus += max(0, instances - needed) / max(1, needed)
        steps += 1
    return {
        "under_provisioning": round(lacking / max(1, steps), 4),
        "over_provisioning": round(surplus / max(1, steps), 4),
    }


@click.command(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.argument("trace", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--policy", type=click.Choice(sorted(CONTENDERS)), default="deadline")
@click.option(
    "--rate", type=click.FloatRange(min=0, min_open=True), default=2.0, help="Images per second and instance."
)
@click.option(
    "--prior", type=click.FloatRange(min=0, min_open=True), help="What the policy believes of that.  [default: RATE]"
)
@click.option("--scale", type=click.FloatRange(min=0), default=1.0, help="Multiplies the trace's requests.")
@click.option("--start", type=float, default=0.0, help="The trace's first second.")
@click.option("--seconds", type=click.FloatRange(min=0), default=math.inf, help="How many of its seconds.")
@click.option("--target", type=click.FloatRange(min=1), default=60.0, help="Seconds from arrival to result.")
@click.option("--ceiling", type=click.IntRange(min=1), default=19, help="Instances at most.")
@click.option(
    "--boot", type=click.FloatRange(min=0), default=30.0, help="Seconds from a launch to a worker that is ready."
)
@click.option("--failing", type=click.FloatRange(0, 1), default=0.01, help="The share of launches that fail.")
@click.option("--reclaims", type=click.FloatRange(min=0), default=0.0, help="Spot reclaims per instance and hour.")
@click.option("--seed", type=int, default=0, help="Of the random numbers.")
@click.option("--plot", type=click.Path(dir_okay=False, path_type=Path), help="Draw the course as a PNG file.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of a table.")
def main(trace: Path, policy: str, plot: Path | None, as_json: bool, **given: Any) -> None:
    """Run a scaling policy on the arrivals of TRACE and print what it costs and how long images wait."""
    try:
        arrivals = read_trace(trace, given["scale"], given["start"], given["seconds"])
    except ElastiqError as err:
        raise click.ClickException(str(err)) from err
    boot_s = given["boot"]
    world = World(
        rate=given["rate"],
        boot_s=boot_s,
        pending_s=boot_s / 3,
        failing_boots=given["failing"],
        reclaims_per_hour=given["reclaims"],
    )
    limits = Limits(
        ceiling=given["ceiling"],
        policy=policy,
        target_s=given["target"],
        service_rate=given["prior"] or given["rate"],
        boot_s=boot_s,
    )
    outcome = simulate(arrivals, policy, limits, world, given["seed"])
    if plot:
        from autoscaler.simulator.plot import draw

        draw(outcome, arrivals, limits, plot)
    found = report(outcome, arrivals, limits, world)
    click.echo(json.dumps(found) if as_json else "\n".join(f"{name:20}{value}" for name, value in found.items()))


if __name__ == "__main__":
    main(prog_name="python -m autoscaler.simulate")
