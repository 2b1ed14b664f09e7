"""Calls that are made again until they are answered, and the end of that; what is said while there is no answer."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from app.errors import TransientError

PATIENCE_S = 300.0
LONGEST_PAUSE_S = 20.0

T = TypeVar("T")


class Lost(TransientError):
    """The web tier has not answered for longer than anybody waits, or nobody waits any more."""


class Busy(TransientError):
    """The web tier says when to ask again: in ``after_s`` seconds."""

    def __init__(self, why: str, after_s: float) -> None:
        super().__init__(why)
        self.after_s = after_s


class Patience:
    """How long a web tier may leave all calls to it without an answer. Safe to share between threads.

    Args:
        url: its address, for what is said.
        limit_s: seconds for which a call that gets no answer is made again.
        say: is told, from any thread, when it does not answer, and when it does again.
    """

    def __init__(self, url: str, limit_s: float, say: Callable[[str], object]) -> None:
        self._url, self._limit_s, self._say = url, limit_s, say
        # The calls that are without an answer now, each with since when.
        self._without: dict[object, float] = {}
        self._lock = threading.Lock()
        self._ended = threading.Event()

    @property
    def ended(self) -> bool:
        """Return whether nobody waits any more."""
        return self._ended.is_set()

    def end(self) -> None:
        """Have nobody wait any more."""
        self._ended.set()

    def pause(self, seconds: float) -> None:
        """Wait, no longer than until the end."""
        self._ended.wait(seconds)

    def until_answered(self, ask: Callable[[], T]) -> T:
        """Return what ``ask`` returns, called again after pauses that grow while it raises a `TransientError`.

        Raises:
            Lost: it did so for longer than anybody waits.
        """
        call, attempt = object(), 0
        while True:
            try:
                answer = ask()
            except TransientError as err:
                attempt += 1
                left_s = self.unanswered(call, err)
                own_s = min(LONGEST_PAUSE_S, 0.5 * 2**attempt) * random.uniform(0.7, 1.0)
                asked_s = err.after_s * random.uniform(1.0, 1.6) if isinstance(err, Busy) else 0.0
                self.pause(min(left_s, max(own_s, asked_s)))
            else:
                self.answered(call)
                return answer

    def answered(self, call: object) -> None:
        """Note that ``call`` has got an answer."""
        with self._lock:
            over = self._without.pop(call, None) is not None and not self._without
        if over:
            self._say(f"{self._url} answers again")

    def unanswered(self, call: object, err: Exception) -> float:
        """Note that ``call`` got ``err`` for an answer; return the seconds for which to try again.

        Raises:
            Lost: there are none left, or nobody waits any more.
        """
        if self.ended:
            raise Lost("given up") from err
        now = time.monotonic()
        with self._lock:
            first = not self._without
            left_s = self._limit_s - (now - self._without.setdefault(call, now))
        if left_s <= 0:
            raise Lost(f"no answer for {self._limit_s:.0f} s ({reason(err)}); given up") from err
        if first:
            self._say(f"no answer from {self._url} ({reason(err)}); trying again for up to {left_s:.0f} s")
        return left_s


def reason(err: BaseException) -> str:
    """Return what went wrong in few words: libraries wrap the system's in their own."""
    cause: BaseException | None = err
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
        cause = cause.__cause__ or cause.__context__
    return str(err) or type(err).__name__
