"""What arrives in the next seconds, by what followed rates like today's before. Pure; it remembers what it was told.

The mean rate of the next seconds is taken for ``a + b * (rate now) + c * (its rise of late)``, fitted by least squares
to the last half hour. A load that lasts teaches b = 1; one of bursts, that what is high falls back; one that rises and
rises, that it goes on. Until there is ground it believes b = 1.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

# Of the seconds to come, whose mean rate is forecast.
AHEAD_S = 60.0
# A rise is that since so many seconds ago.
RISE_S = 40.0
# What was seen counts half so much later.
HALF_LIFE_S = 1800.0
# The belief that what is now goes on counts as much as so many seconds of it.
PRIOR_S = 200.0


@dataclass(frozen=True, slots=True)
class _Look:
    """A time in seconds, the images that had arrived, and what was known: one, the rate, its rise."""

    at_s: float
    arrived: float
    known: tuple[float, float, float]


class Forecast:
    """Learns from one look after the other what comes after which rate."""

    def __init__(self) -> None:
        self._open: deque[_Look] = deque()
        # Decaying sums over looks, weighted by their seconds: of the products of what was known, two by two, and of
        # each with by how much the next seconds' rate was another.
        self._known = [[0.0] * 3 for _ in range(3)]
        self._change = [0.0] * 3
        # The highest rate that followed any look, forgotten as they are.
        self._most = 0.0

    def see(self, at_s: float, arrived: float, rate: float) -> float:
        """Take note of a look, and return the images a second to be expected, 0 or more.

        Args:
            at_s: the time in seconds.
            arrived: images that ever arrived.
            rate: of late, in images per second.
        """
        known = (1.0, rate, rate - self._rate_before(at_s - RISE_S, rate))
        self._open.append(_Look(at_s, arrived, known))
        while self._open[0].at_s <= at_s - AHEAD_S:
            look = self._open.popleft()
            self._learn(look, (arrived - look.arrived) / (at_s - look.at_s), self._open[0].at_s - look.at_s)
        # A rise that was seen once is no ground to expect that the next one goes on beyond all that ever came.
        return max(0.0, min(rate + self._expected(known), max(rate, self._most)))

    def _rate_before(self, at_s: float, rate: float) -> float:
        """Return the rate at the last look until a time; at the first one since then, if there is none."""
        before = [look for look in self._open if look.at_s <= at_s] or list(self._open)[:1]
        return before[-1].known[1] if before else rate

    def _learn(self, look: _Look, followed: float, weight: float) -> None:
        kept = 0.5 ** (weight / HALF_LIFE_S)
        change = followed - look.known[1]
        self._most = max(followed, self._most * kept)
        for row, one in enumerate(look.known):
            self._change[row] = self._change[row] * kept + weight * one * change
            for column, other in enumerate(look.known):
                self._known[row][column] = self._known[row][column] * kept + weight * one * other

    def _expected(self, known: tuple[float, float, float]) -> float:
        """Return by how much the next seconds' rate will be another."""
        use = [place for place in range(3) if self._known[place][place] > 0]
        if 1 not in use:
            return 0.0
        # As if for some seconds rates had not changed.
        more = 1 + PRIOR_S / self._known[0][0]
        rows = [[self._known[row][column] * (more if row == column else 1.0) for column in use] for row in use]
        factors = _solved(rows, [self._change[row] for row in use])
        return sum(factor * known[place] for factor, place in zip(factors, use, strict=True))


def _solved(rows: list[list[float]], right: list[float]) -> list[float]:
    """Return the x for which ``rows`` times x is ``right``; the rows are of a positive definite matrix."""
    if not rows:
        return []
    (pivot, *first), *others = rows
    factors = [row[0] / pivot for row in others]
    left = [
        [value - factor * above for value, above in zip(row[1:], first, strict=True)]
        for row, factor in zip(others, factors, strict=True)
    ]
    rest = _solved(left, [value - factor * right[0] for value, factor in zip(right[1:], factors, strict=True)])
    return [(right[0] - sum(above * x for above, x in zip(first, rest, strict=True))) / pivot, *rest]
