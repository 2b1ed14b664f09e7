"""What the scaling policies cost and how long images wait, simulated: ours beside KEDA's and AWS's rules.

    .venv/bin/python tests/benchmarks/autoscaler.py [--json] [--traces FOLDER] [--plots FOLDER]
    .venv/bin/python tests/benchmarks/autoscaler.py --curve docs/autoscaler-curve.svg

Arrivals: Poisson at three loads, one burst of 1,000, a saw-tooth; and each trace (CSV, `second,requests`) in FOLDER,
its first day, scaled such that 19 instances suffice. Each with 0.5, 2 and 20 images per second and instance, a boot of
30 s, a target of 60 s, a ceiling of 19. docs/autoscaler.md says what is modelled.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

# The repository in place of this folder, where this very file would be taken for the package of its name.
sys.path[0] = str(Path(__file__).parents[2])

from autoscaler.policy import POLICIES  # noqa: E402
from autoscaler.simulator.bound import bound  # noqa: E402
from autoscaler.simulator.contenders import CONTENDERS, simulate  # noqa: E402
from autoscaler.simulator.curve import curve, svg  # noqa: E402
from autoscaler.simulator.figures import over_bound, report  # noqa: E402
from autoscaler.simulator.plot import draw  # noqa: E402
from autoscaler.simulator.trace import read_trace  # noqa: E402
from autoscaler.simulator.world import Outcome, World  # noqa: E402
from autoscaler.values import Limits  # noqa: E402

RATES = (0.5, 2.0, 20.0)
LOADS = (1.5, 5.0, 12.0)
CEILING = 19
# Of an arrival pattern, so that no run takes minutes.
MOST_IMAGES = 120_000
DAY_S = 24 * 3600

Arrivals = Callable[[float], list[float]]


def main() -> None:
    """Run every policy on every arrival pattern at every service rate."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--traces", type=Path, help="a folder of traces")
    parser.add_argument("--plots", type=Path, help="a folder to draw each run of `deadline` in")
    parser.add_argument("--curve", type=Path, help="only draw cost against lateness, for bursts made at random")
    given = parser.parse_args()
    if given.curve:
        found = curve(bursts(), within, World(2.0), lambda what: print(what, file=sys.stderr))
        given.curve.write_text(svg(found))
        return
    rows = [
        row
        for name, arrivals in {**made(), **traced(given.traces)}.items()
        for rate in RATES
        for row in compare(name, arrivals(rate), rate, given.plots)
    ]
    if given.json:
        print(json.dumps({"ceiling": CEILING, "target": 60, "boot": 30, "runs": rows}))
        return
    for row in rows:
        print("  ".join(f"{name} {value}" for name, value in row.items()))


def made() -> dict[str, Arrivals]:
    """Return the arrival patterns that need no file."""
    poissons = {f"poisson-{load:g}": lambda rate, load=load: poisson(load * rate) for load in LOADS}
    # The burst lies between two counts: no count shows a part of what comes in one instant.
    return {**poissons, "burst-1000": lambda rate: [10.5] * 1000, "saw-tooth": lambda rate: saw_tooth(15 * rate)}


def traced(folder: Path | None) -> dict[str, Arrivals]:
    """Return the arrival patterns of the traces in a folder."""
    return (
        {path.stem: lambda rate, path=path: trace(path, rate) for path in sorted(folder.glob("*.csv"))}
        if folder
        else {}
    )


def poisson(per_s: float, seconds: float = 3600) -> list[float]:
    """Return arrivals at random, so many a second."""
    chance, now, arrivals = random.Random(1), 0.0, list[float]()
    while now < seconds and len(arrivals) < MOST_IMAGES:
        now += chance.expovariate(per_s)
        arrivals.append(now)
    return arrivals


def saw_tooth(peak_per_s: float, teeth: int = 4, tooth_s: float = 300) -> list[float]:
    """Return arrivals whose rate rises from nothing to a peak and falls back at once, again and again."""
    tooth_s = min(tooth_s, 2 * MOST_IMAGES / teeth / peak_per_s)
    count = int(peak_per_s * tooth_s / 2)
    return [
        tooth * tooth_s + tooth_s * ((part + 0.5) / count) ** 0.5 for tooth in range(teeth) for part in range(count)
    ]


def bursts(seconds: float = 3600) -> list[float]:
    """Return bursts of 20 s that come at random, every two minutes in the mean, over a little that always comes."""
    chance, now, arrivals = random.Random(5), 0.0, [float(second) for second in range(0, int(seconds), 2)]
    while now < seconds - 100:
        now += 20 + chance.expovariate(1 / 100)
        arrivals += [now + 20 * chance.random() for _ in range(chance.randrange(50, 400))]
    return sorted(arrivals)


def within(policy: str, target_s: float) -> Limits:
    """Return the limits of a policy with a target."""
    return replace(limits(policy, 2.0), target_s=target_s)


def trace(path: Path, rate: float) -> list[float]:
    """Return a trace's first day, scaled such that its busiest minute keeps 15 instances busy, at most."""
    arrivals = read_trace(path, seconds=DAY_S)
    busiest = max(count(arrivals).values()) / 60
    scale = min(15 * rate / busiest, MOST_IMAGES / len(arrivals))
    return read_trace(path, scale, seconds=DAY_S)


def count(arrivals: list[float]) -> dict[int, int]:
    """Return how many images arrive in each minute."""
    counts: dict[int, int] = {}
    for arrival in arrivals:
        counts[int(arrival // 60)] = counts.get(int(arrival // 60), 0) + 1
    return counts


def compare(name: str, arrivals: list[float], rate: float, plots: Path | None) -> list[dict[str, Any]]:
    """Run every policy on the same arrivals; the whole fleet at once shows which waits no policy could have spared."""
    world = World(rate)
    fastest = simulate(arrivals, "whole-fleet", limits("whole-fleet", rate), world)
    least = bound(arrivals, limits("deadline", rate), world)
    rows = []
    for policy in CONTENDERS:
        outcome = fastest if policy == "whole-fleet" else simulate(arrivals, policy, limits(policy, rate), world)
        if plots and policy == "deadline":
            plots.mkdir(parents=True, exist_ok=True)
            draw(outcome, arrivals, limits(policy, rate), plots / f"{name}-{rate:g}.png")
        known = {"arrivals": name, "rate": rate, "policy": policy, "avoidable": avoidable(outcome, fastest)}
        figures = report(outcome, arrivals, limits(policy, rate), world)
        rows.append({**known, **figures, **over_bound(figures, least)})
    print(f"{name} at {rate:g}/s", file=sys.stderr)
    return rows


def limits(policy: str, rate: float) -> Limits:
    """Return the limits of a policy that has measured the service rate before."""
    return Limits(ceiling=CEILING, policy=policy if policy in POLICIES else "seed", service_rate=rate)


def avoidable(outcome: Outcome, fastest: Outcome) -> int:
    """Return how many images were over the target that the whole fleet, launched at once, would have done in time."""
    return sum(wait > 60 >= least for wait, least in zip(outcome.waits_s, fastest.waits_s, strict=True))


if __name__ == "__main__":
    main()
