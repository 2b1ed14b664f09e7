"""How many images a second arrive, told from counts in which there is chance. Pure.

What has lasted is a mean without its extremes: a burst is past once it is queued. What has begun, or rises, is added as
far as it is more than chance would bring.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from statistics import fmean, median

# Intervals between observations whose arrivals count: all, for what has lasted, and the last few, for what has begun.
LONG, RECENT = 20, 5
# Of all, the most and the fewest arrivals are left out: a burst is past once it is queued, and counts lag.
OUTLIERS = 2
# So many times what chance brings, a change counts by half; a rise by half at so many.
DOUBTFUL, DOUBTFUL_RISE = 3.0, 2.0
# The deviation of a median is so many times that of a mean.
MEDIAN = 1.25


def arrival_rate(rates: Sequence[float]) -> float | None:
    """Return how many images a second arrive, 0 or more; None: too little was seen.

    Args:
        rates: of each interval between two observations, in images a second, `LONG` at most; the last is the newest.
    """
    if len(rates) < RECENT:
        return None
    if len(rates) <= 4 * OUTLIERS:
        return max(0.0, median(rates))
    ascending = sorted(rates)
    usual = fmean(ascending[OUTLIERS:-OUTLIERS])
    chance = _chance(rates)
    begun = _beyond(median(rates[-RECENT:]) - usual, MEDIAN * chance / math.sqrt(RECENT), DOUBTFUL)
    half = len(rates) // 2
    clipped = [min(max(rate, ascending[OUTLIERS]), ascending[-OUTLIERS - 1]) for rate in rates]
    rise = fmean(clipped[-half:]) - fmean(clipped[:half])
    return max(0.0, usual + max(begun, _beyond(rise, chance * math.sqrt(2 / half), DOUBTFUL_RISE)))


def _chance(rates: Sequence[float]) -> float:
    """Return the deviation of an interval's rate, by how much each differs from the next: what lasts or rises has none.

    The greatest differences are those of a burst, which begins and ends, and are left out.
    """
    squares = sorted((after - before) ** 2 for before, after in pairwise(rates))
    return math.sqrt(fmean(squares[: -2 * OUTLIERS]) / 2)


def _beyond(change: float, chance: float, doubtful: float) -> float:
    """Return as much of a change upwards as is to be believed.

    Args:
        change: in images a second.
        chance: its deviation if nothing had changed.
        doubtful: at so many deviations half of it is believed.
    """
    if change <= 0:
        return 0.0
    return change * change**2 / (change**2 + (doubtful * chance) ** 2)
