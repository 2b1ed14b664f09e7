"""`python -m autoscaler.simulate TRACE.csv`: what a policy would make of real arrivals, in figures and as a picture.

A trace is a CSV file with a header and rows of ``second,requests``; `simulator.trace` reads it.
"""

from __future__ import annotations

import json
import math
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from app.errors import ConfigurationError, ElastiqError
from autoscaler.policy import POLICIES
from autoscaler.simulator.contenders import CONTENDERS, simulate
from autoscaler.simulator.figures import over_bound, report, spread, table
from autoscaler.simulator.trace import read_trace
from autoscaler.simulator.world import Outcome, World, harsh
from autoscaler.values import UNSURE, Limits

# A run that takes longer says how far it is, so often.
SAY_EVERY_S = 2.0


class _Number(click.FloatRange):
    """A number within bounds; unlike click's, never nan, nor beyond all bounds."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        number = float(super().convert(value, param, ctx))
        if not math.isfinite(number):
            self.fail(f"{value!r} is not a finite number.", param, ctx)
        return number


POSITIVE = _Number(min=0, min_open=True)


@click.command(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.argument("trace", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--policy", type=click.Choice([*sorted(CONTENDERS), "all"]), default="deadline")
@click.option("--rate", type=POSITIVE, default=2.0, help="Images per second and instance.")
@click.option("--prior", type=POSITIVE, help="What the policy believes of that, unsure.  [default: it knows RATE]")
@click.option("--scale", type=POSITIVE, default=1.0, help="Multiplies the trace's requests.")
@click.option("--start", type=_Number(), help="The first of the trace's seconds.  [default: its first row's]")
@click.option("--seconds", type=POSITIVE, help="How many of its seconds.  [default: all]")
@click.option("--target", type=_Number(min=1), default=60.0, help="Seconds from arrival to result.")
@click.option("--ceiling", type=click.IntRange(min=1), default=19, help="Instances at most.")
@click.option("--boot", type=_Number(min=0), default=30.0, help="Seconds from a launch to a worker that is ready.")
@click.option("--failing", type=_Number(0, 1, max_open=True), default=0.01, help="The share of launches that fail.")
@click.option("--reclaims", type=_Number(min=0), default=0.0, help="Spot reclaims per instance and hour.")
@click.option(
    "--harsh", is_flag=True, help="A world with all that goes wrong on an ordinary day; the options below change parts."
)
@click.option(
    "--rest", type=_Number(min=0), default=0.0, help="Seconds that images may gather while no instance is there."
)
@click.option("--lag", type=POSITIVE, help="Mean age of the queue's counts in seconds.  [default: 2; harsh: 10]")
@click.option(
    "--poll", type=_Number(min=0), help="Seconds that a receive waits, and so a drain.  [default: 0; harsh: 20]"
)
@click.option(
    "--power-off", type=_Number(min=0), help="Seconds from a worker's end to the bill's.  [default: 0; harsh: 8]"
)
@click.option(
    "--slow", type=_Number(0, 1), help="The share of boots that take thrice as long.  [default: 0; harsh: 0.05]"
)
@click.option("--failing-late", is_flag=True, default=None, help="Boots fail once they should be over.  [harsh]")
@click.option(
    "--disorder",
    type=_Number(0, 1),
    help="The share of receives that get any message, not the first; 1: no order at all.  [default: 0; harsh: 0.05]",
)
@click.option("--seed", type=int, default=0, help="Of the random numbers.")
@click.option("--seeds", type=click.IntRange(min=1), default=1, help="Runs, each with the next seed: means and spread.")
@click.option("--bound", is_flag=True, help="Also the least that a clairvoyant could be billed; elastiq[bound] has it.")
@click.option("--plot", type=click.Path(dir_okay=False, path_type=Path), help="Draw the (first) course as a PNG file.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of a table.")
def main(trace: Path, policy: str, seeds: int, plot: Path | None, as_json: bool, **given: Any) -> None:
    """Run a scaling policy on the arrivals of TRACE and print what it costs and how long images wait.

    TRACE is a CSV file: `second,requests`, and a row for each interval.
    """
    if plot and policy == "all":
        raise click.UsageError("--plot draws one policy: give its name instead of `all`")
    if plot:
        _check_plot(plot)
    policies = sorted(CONTENDERS) if policy == "all" else [policy]
    try:
        columns = {name: _run(trace, name, seeds, plot, **given) for name in policies}
    except ElastiqError as err:
        raise click.ClickException(str(err)) from err
    if not as_json:
        click.echo(table(columns))
        return
    objects = {
        name: {**figures, **({"seeds": seeds, "spread": between} if seeds > 1 else {})}
        for name, (figures, between) in columns.items()
    }
    click.echo(json.dumps({"policies": objects} if policy == "all" else objects[policy]))


def _check_plot(plot: Path) -> None:
    """Refuse before a run what could not be written after it."""
    if not plot.absolute().parent.is_dir():
        raise click.BadParameter(f"there is no folder {plot.absolute().parent}", param_hint="--plot")
    if not os.access(plot if plot.exists() else plot.absolute().parent, os.W_OK):
        raise click.BadParameter(f"{plot} cannot be written", param_hint="--plot")


def _run(
    trace: Path, policy: str, seeds: int, plot: Path | None, **given: Any
) -> tuple[dict[str, Any], dict[str, tuple[Any, Any]]]:
    """Return a policy's figures, in the mean over the seeds, and the spread where there are several."""
    limits, world = _limits(policy, **given), _world(**given)
    runs = []
    for seed in range(given["seed"], given["seed"] + seeds):
        arrivals = read_trace(trace, given["scale"], given["start"], given["seconds"] or math.inf, seed)
        progress = Progress(f"{policy}, seed {seed}" if seeds > 1 else policy, arrivals)
        outcome = simulate(arrivals, policy, limits, world, seed, progress)
        progress.end()
        if plot and seed == given["seed"]:
            _draw(outcome, arrivals, limits, plot)
        figures = report(outcome, arrivals, limits, world)
        runs.append({**figures, **(_bound(figures, arrivals, limits, world) if given["bound"] else {})})
    return (runs[0], {}) if seeds == 1 else spread(runs)


def _bound(figures: dict[str, Any], arrivals: Sequence[float], limits: Limits, world: World) -> dict[str, float]:
    """Return the bound over the work, and the bill over the bound.

    Raises:
        ConfigurationError: what finds it is not installed, or the trace is too long.
    """
    try:
        from autoscaler.simulator.bound import bound
    except ImportError as err:
        raise ConfigurationError(f"--bound needs scipy: pip install 'elastiq[bound]' ({err})") from err
    return over_bound(figures, bound(arrivals, limits, world))


def _draw(outcome: Outcome, arrivals: Sequence[float], limits: Limits, plot: Path) -> None:
    from autoscaler.simulator.plot import draw

    draw(outcome, arrivals, limits, plot)


def _limits(policy: str, **given: Any) -> Limits:
    return Limits(
        ceiling=given["ceiling"],
        policy=policy if policy in POLICIES else "seed",
        target_s=given["target"],
        service_rate=given["prior"] or given["rate"],
        unsure=UNSURE if given["prior"] else 1.0,
        boot_s=given["boot"],
        rest_s=given["rest"],
    )


def _world(**given: Any) -> World:
    world = World(
        rate=given["rate"],
        boot_s=given["boot"],
        pending_s=given["boot"] / 3,
        failing_boots=given["failing"],
        reclaims_per_hour=given["reclaims"],
    )
    asked = {
        "lag_s": given["lag"],
        "poll_s": given["poll"],
        "power_off_s": given["power_off"],
        "slow_boots": given["slow"],
        "fails_late": given["failing_late"],
        "disorder": given["disorder"],
    }
    changes = {name: value for name, value in asked.items() if value is not None}
    return replace(harsh(world) if given["harsh"] else world, **changes)


class Progress:
    """Says on standard error how far a run is, if it takes long: on one line at a terminal.

    Args:
        what: is run.
        arrivals_s: of its images.
        clock: monotonic seconds.
    """

    def __init__(self, what: str, arrivals_s: Sequence[float], clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._what, self._images, self._until_s = what, len(arrivals_s), arrivals_s[-1]
        self._said_at, self._said = clock(), False

    def __call__(self, at_s: float, done: int) -> None:
        """Take note of a time in the run, in seconds, and of the images done."""
        now = self._clock()
        if now - self._said_at >= SAY_EVERY_S:
            self._said_at, self._said = now, True
            line = f"{self._what}: {at_s:,.0f} of {self._until_s:,.0f} s, {done:,} of {self._images:,} images done"
            click.echo(f"\r{line}" if sys.stderr.isatty() else line, err=True, nl=not sys.stderr.isatty())

    def end(self) -> None:
        """Leave the line."""
        if self._said and sys.stderr.isatty():
            click.echo(err=True)


if __name__ == "__main__":
    main(prog_name="python -m autoscaler.simulate")
