"""How far from its order a queue hands out: how long images waited, beside how long they would have in order. Pure.

SQS keeps the order as best it can, and says no more of it. How many times as long as the oldest image in order the last
ones waited tells how much of the target is to be kept for that.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

# What was seen counts for so many seconds.
KEPT_S = 900.0
# Where the oldest image is younger than so many seconds, what it waits is work and chance, not order.
LEAST_S = 10.0


class Disorder:
    """Learns from one look after the other."""

    def __init__(self) -> None:
        # Of each look the time, the longest wait of the images done, and the age of the oldest image, all in seconds.
        self._looks: deque[tuple[float, float, float]] = deque()
        self._oldest_s = 0.0
        self._known: float | None = None

    def see(self, at_s: float, waits_s: Sequence[float], oldest_s: float) -> float | None:
        """Take note of a look; return how many times as long as in order the slowest wait, or None: unknown yet.

        Args:
            at_s: the time in seconds.
            waits_s: how long images waited that were done since the last look.
            oldest_s: the age of the oldest image outstanding, as if the queue were in order.
        """
        oldest_s, self._oldest_s = max(oldest_s, self._oldest_s), oldest_s
        if waits_s:
            self._looks.append((at_s, max(waits_s), oldest_s))
        while self._looks and self._looks[0][0] < at_s - KEPT_S:
            self._looks.popleft()
        in_order_s = max((oldest for *_, oldest in self._looks), default=0.0)
        if in_order_s >= LEAST_S:
            self._known = max(1.0, max(wait for _, wait, _ in self._looks) / in_order_s)
        return self._known
