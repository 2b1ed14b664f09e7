"""What arrives in the next seconds, by what followed rates like today's before. Pure; it remembers what it was told.

The mean rate of the next seconds is taken for ``a + b * (rate now)``, fitted by least squares to the last half hour. A
load that lasts teaches b = 1; one of bursts, that what is high falls back. Until there is ground it believes b = 1.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

# Of the seconds to come, whose mean rate is forecast.
AHEAD_S = 60.0
# What was seen counts half so much later.
HALF_LIFE_S = 1800.0
# The belief that what is now goes on counts as much as so many seconds of it.
PRIOR_S = 300.0


@dataclass(frozen=True, slots=True)
class _Look:
    at_s: float
    arrived: float
    rate: float


class Forecast:
    """Learns from one look after the other what comes after which rate."""

    def __init__(self) -> None:
        self._open: deque[_Look] = deque()
        self._at_s: float | None = None
        # Decaying sums over looks: of their seconds, of x, and with d, by how much the next seconds' rate was another,
        # of d, x * x and x * d.
        self._n = self._x = self._d = self._xx = self._xd = 0.0

    def see(self, at_s: float, arrived: float, rate: float) -> float:
        """Take note of a look, and return the images a second to be expected, 0 or more.

        Args:
            at_s: the time in seconds.
            arrived: images that ever arrived.
            rate: of late, in images per second.
        """
        self._open.append(_Look(at_s, arrived, rate))
        while self._open[0].at_s <= at_s - AHEAD_S:
            look = self._open.popleft()
            self._learn(look, (arrived - look.arrived) / (at_s - look.at_s), self._open[0].at_s - look.at_s)
        return max(0.0, self._expected(rate))

    def _learn(self, look: _Look, followed: float, weight: float) -> None:
        kept = 0.5 ** (weight / HALF_LIFE_S)
        d = followed - look.rate
        self._n = self._n * kept + weight
        self._x = self._x * kept + weight * look.rate
        self._d = self._d * kept + weight * d
        self._xx = self._xx * kept + weight * look.rate**2
        self._xd = self._xd * kept + weight * look.rate * d

    def _expected(self, rate: float) -> float:
        if not self._n or not self._xx:
            return rate
        # As if for so many seconds rates as they were had not changed.
        n, xx = self._n + PRIOR_S, self._xx * (1 + PRIOR_S / self._n)
        determinant = n * xx - self._x**2
        a = (self._d * xx - self._xd * self._x) / determinant
        c = (self._xd * n - self._d * self._x) / determinant
        if c > 0:
            # A rise that was seen once, after a load that never changed, is no ground to expect the next one to go on.
            a, c = self._d / n, 0.0
        return rate + a + c * rate
