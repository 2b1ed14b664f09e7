"""Waiting that a signal ends at once: how the long-lived processes stop cleanly."""

from __future__ import annotations

import os
import select
import signal
import time
from contextlib import suppress
from types import FrameType


class StopSignals:
    """Counts the signals that ask this process to stop. Make it in the main thread, once.

    It wakes the waiter through a pipe: a lock, as of an event, may be held by the very code that a signal interrupts.
    The interpreter itself writes to it, at once and whichever thread the signal comes to; a handler in Python runs only
    once the main thread, which may have been just about to wait, takes its next step.

    Args:
        signals: those that count.
    """

    def __init__(self, *signals: signal.Signals) -> None:
        self.count = 0
        self._roused = False
        self._read, self._write = os.pipe()
        os.set_blocking(self._write, False)
        signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)  # full: whoever waits has enough to wake it
        for number in signals:
            if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:  # nohup means it
                signal.signal(number, self._received)

    def wait(self, timeout_s: float, above: int = 0) -> bool:
        """Wait until more than ``above`` signals have come; return whether they have.

        It takes ``timeout_s`` seconds at most, and less once somebody has called `rouse` since the last wait.
        """
        deadline = time.monotonic() + timeout_s
        while self.count <= above and not self._roused and (left_s := deadline - time.monotonic()) > 0:
            if select.select([self._read], [], [], left_s)[0]:
                os.read(self._read, 1)
        self._roused = False
        return self.count > above

    def rouse(self) -> None:
        """End the wait, or the next, before its time; any thread may call it."""
        self._roused = True
        with suppress(BlockingIOError):  # full: whoever waits has enough to wake it
            os.write(self._write, b"r")

    def _received(self, number: int, frame: FrameType | None) -> None:
        self.count += 1
