"""A thread that receives from one queue for its consumers, never more than can be held, and is never deaf for long."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable

from kombu.log import get_logger

from app.sqs import background
from app.sqs.api import POLL_GRACE_S
from app.sqs.errors import QueueMissing, Refused, Unavailable
from app.sqs.leases import BATCH
from app.sqs.metrics import metrics
from app.sqs.receiver import Received, Receiver, Source

logger = get_logger("app.sqs")

# After work was there, the queue is asked with short waits for a while: an answer that does not come is noticed sooner.
SHORT_WAIT_S, SHORT_POLLS = 1, 2
# What is received lies ready for its slot so long at most.
LONGEST_READY_S = 2.0
# A poll that has not ended so long after it should have is given up on.
OVERDUE_S = 4 * POLL_GRACE_S


class _Attempt:
    """One thread's own state. A thread that was given up on cannot touch that of the one in its place."""

    def __init__(self) -> None:
        self.asked = 0
        self.overdue_at: float | None = None
        self.given_up = False


class Poller:
    """Receives from one queue into ``buffer``.

    Args:
        name: the queue's name.
        source: the calls, and what becomes of what they bring.
        room: returns how many messages may be asked for now.
        ready: called (from the thread) after messages were put into ``buffer``.
        transient: whether it is a listener's queue, which no drain waits for.
        short_polls: how many polls after work was there wait for a second only.
    """

    def __init__(
        self,
        name: str,
        source: Source,
        *,
        room: Callable[[], int],
        ready: Callable[[], None],
        transient: bool = False,
        short_polls: int = SHORT_POLLS,
    ) -> None:
        self.name, self.transient, self._short_polls = name, transient, short_polls
        self.buffer: deque[Received] = deque()
        self.paused = False
        self.more_waits = False
        """Whether the last poll brought a full batch: the next will bring more."""
        self.last_wait_until: float | None = None
        """When set (monotonic seconds), no poll is made to wait beyond it."""
        self.receiver = Receiver(name, source)
        self._source, self._room, self._ready = source, room, ready
        self._wake = threading.Event()
        self._stopped = threading.Event()
        self._trouble = background.Trouble(f"poll queue={name}")
        self._empty_polls = 0
        self._start()

    @property
    def polling(self) -> int:
        """Return how many messages a poll under way may bring; 0 when none is."""
        return self._attempt.asked

    @property
    def stopped(self) -> bool:
        """Return whether it was stopped."""
        return self._stopped.is_set()

    @property
    def ended(self) -> bool:
        """Return whether it was stopped, and the poll that was under way then has ended."""
        return self.stopped and not self._thread.is_alive()

    def wake(self) -> None:
        """Look again for room, or for a changed order."""
        self._wake.set()

    def pause(self, paused: bool = True) -> None:
        """Make no further poll until told otherwise; one under way goes on."""
        self.paused = paused
        self._wake.set()

    def hand_back_what_waits(self) -> None:
        """Hand back what has lain ready for longer than a moment: every slot here is busy, and others may be idle."""
        while self.buffer and time.monotonic() - self.buffer[0].at > LONGEST_READY_S:
            try:
                received = self.buffer.popleft()
            except IndexError:  # the loop took the last one meanwhile
                return
            metrics.count("handed_back")
            self._source.hand_back(received)

    def stop(self) -> None:
        """End; what is in the buffer, and what a poll under way brings, is given back at once."""
        self._stopped.set()
        self._wake.set()
        self._give_back_buffer()

    def join(self, timeout_s: float) -> None:
        """Wait until the poll under way has ended."""
        self._thread.join(timeout_s)

    def revive(self) -> None:
        """Start a new thread in place of one that died or whose call is long overdue."""
        overdue_at = self._attempt.overdue_at
        overdue = overdue_at is not None and time.monotonic() > overdue_at
        if not self.stopped and (overdue or not self._thread.is_alive()):
            metrics.count("pollers_restarted")
            logger.error("poller_restarted queue=%s reason=%s", self.name, "overdue" if overdue else "died")
            self._attempt.given_up = True
            self._start()

    def _start(self) -> None:
        self._attempt = attempt = _Attempt()
        name = f"sqs-poll-{self.name}"
        self._thread = threading.Thread(target=self._run, args=(attempt,), name=name, daemon=True)
        self._thread.start()

    def _run(self, attempt: _Attempt) -> None:
        while not self.stopped and not attempt.given_up:
            count = min(BATCH, self._room())
            # Said before the pause is looked at: whoever pauses and then asks misses no poll.
            attempt.asked = 0 if self.paused else max(0, count)
            if count < 1 or self.paused:
                attempt.asked = 0
                self._wake.wait(1)
                self._wake.clear()
                continue
            self._turn(attempt, count)

    def _turn(self, attempt: _Attempt, count: int) -> None:
        """Poll once and take what it brings; a thread that was given up on gives that back."""
        wait_s = self._wait_s()
        attempt.overdue_at = time.monotonic() + wait_s + OVERDUE_S
        try:
            received = self.receiver.receive(count, wait_s)
            self._trouble.over()
            self._empty_polls = 0 if received else self._empty_polls + 1
            self.more_waits = len(received) == BATCH
            self._take(received, wanted=not attempt.given_up)
        except Exception as err:
            attempt.overdue_at = None  # what follows is a pause
            self._failed(err)
        finally:
            attempt.overdue_at, attempt.asked = None, 0

    def _wait_s(self) -> int:
        longest = self._source.longest_wait_s
        if self._trouble or self._empty_polls < self._short_polls:
            return min(SHORT_WAIT_S, longest)
        if self.last_wait_until is not None:
            longest = min(longest, math.ceil(self.last_wait_until - time.monotonic()))
        return max(0, longest)

    def _failed(self, err: Exception) -> None:
        if isinstance(err, QueueMissing):
            self._source.lost()
        elif not isinstance(err, (Unavailable, Refused)):
            metrics.count("thread_errors")
            logger.exception("poll_error queue=%s", self.name)
        self._stopped.wait(self._trouble.failed(err))

    def _take(self, received: list[Received], *, wanted: bool) -> None:
        if not wanted:
            for one in received:
                self._source.hand_back(one)
            return
        self.buffer.extend(received)
        # Looked at after the buffer has them: whoever stops it in between empties it as well.
        if self.stopped:
            self._give_back_buffer()
        elif received:
            self._ready()

    def _give_back_buffer(self) -> None:
        while self.buffer:
            try:
                received = self.buffer.popleft()
            except IndexError:  # the loop took the last one meanwhile
                return
            self._source.hand_back(received)
