"""What a trace's traffic would cost a month on EC2, and how late its images would be, by instance type and target."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from app.errors import ConfigurationError
from app.prices import MONTH_H, prices
from autoscaler.simulator.contenders import simulate
from autoscaler.simulator.figures import report
from autoscaler.simulator.world import World, harsh
from autoscaler.values import Limits

# Images per second with the default model on one core, of types whose processor was measured (docs/engine.md).
RATES = {"c6i.large": 55.0, "c7i.large": 150.0}
DISK_GIB = 8.0
TARGETS_S = (30.0, 60.0, 120.0, 300.0)
# As many images may be late as in the promise that the policy's constants were chosen for.
LATE = 0.001


@dataclass(frozen=True, slots=True)
class Offer:
    """An instance type: US dollars an hour with its disk and public address, and images per second."""

    type: str
    price: float
    rate: float


@dataclass(frozen=True, slots=True)
class Plan:
    """What one offer costs with one target: US dollars a month, the share of images over the target, and p95."""

    offer: Offer
    target_s: float
    monthly: float
    late: float
    p95_s: float


def offers(rate: float | None = None) -> list[Offer]:
    """Return the instance types whose rate was measured.

    Args:
        rate: images per second of any of them; None: what was measured.

    Raises:
        ConfigurationError: the rate is none.
    """
    if rate is not None and not (math.isfinite(rate) and rate > 0):
        raise ConfigurationError(f"{rate:g} images per second are no rate")
    return [Offer(type, prices().host_hour(type, DISK_GIB), rate or known) for type, known in RATES.items()]


def plans(
    arrivals_s: Sequence[float],
    span_s: float,
    among: Sequence[Offer],
    ceiling: int = 19,
    tell: Callable[[str], object] = lambda _: None,
) -> list[Plan]:
    """Return what each offer would cost with each target in a harsh world, were the trace repeated for a month.

    Args:
        arrivals_s: when each image arrives, ascending.
        span_s: how long the trace is.
        among: the offers.
        ceiling: instances at most.
        tell: is told what is being simulated.
    """
    found = []
    for offer in among:
        for target_s in TARGETS_S:
            tell(f"{offer.type}, {target_s:g} s")
            world = harsh(World(offer.rate))
            limits = Limits(ceiling, "deadline", target_s=target_s, service_rate=offer.rate)
            figures = report(simulate(arrivals_s, "deadline", limits, world), arrivals_s, limits, world)
            hours = figures["billed_seconds"] / 3600 * MONTH_H * 3600 / max(span_s, arrivals_s[-1])
            found.append(
                Plan(offer, target_s, hours * offer.price, figures["share_over_target"], figures["p95"] or 0.0)
            )
    return found


def words(found: Sequence[Plan]) -> str:
    """Return an answer for people: the cheapest plan that keeps its target, and each plan's figures."""
    kept = [plan for plan in found if plan.late <= LATE]
    lines = []
    if kept:
        best = min(kept, key=lambda plan: plan.monthly)
        lines.append(
            f"Cheapest with 99.9 % in time: {best.offer.type} with ELASTIQ_TARGET_SECONDS={best.target_s:g}, "
            f"${best.monthly:,.2f} a month."
        )
    else:
        lines.append("No plan has 99.9 % in time; a higher --ceiling, a longer target or a faster type may.")
    for plan in found:
        lines.append(
            f"{plan.offer.type}, target {plan.target_s:g} s: ${plan.monthly:,.2f} a month, "
            f"{100 * plan.late:.2g} % late, 95 % within {plan.p95_s:.0f} s"
        )
    lines.append(
        f"Prices: on demand in {prices().region}, {prices().as_of}, without tax, with {DISK_GIB:g} GiB of disk and a "
        "public address each; without SQS, S3 and traffic. Check them: they change."
    )
    return "\n".join(lines)
