"""Threads that outlive their errors: what fails unexpectedly is logged and counted, and the thread goes on."""

from __future__ import annotations

import threading
from collections.abc import Callable

from kombu.log import get_logger

from app.sqs.metrics import metrics

logger = get_logger("app.sqs")


def start(name: str, step: Callable[[], object], stopped: threading.Event) -> threading.Thread:
    """Call ``step`` again and again in a daemon thread until ``stopped``.

    ``step`` waits for work by itself and handles the errors that it foresees.
    """

    def run() -> None:
        while not stopped.is_set():
            try:
                step()
            except Exception:
                metrics.count("thread_errors")
                logger.exception("thread_error name=%s", name)
                stopped.wait(1)

    thread = threading.Thread(target=run, name=name, daemon=True)
    thread.start()
    return thread


class Trouble:
    """Logs a series of like errors twice: when it begins and when it is over."""

    def __init__(self, what: str) -> None:
        self._what, self._errors = what, 0

    def __bool__(self) -> bool:
        """Return whether the last attempt failed."""
        return self._errors > 0

    def failed(self, err: Exception) -> float:
        """Note a failure; return the seconds to wait before the next attempt: 0.1, doubled up to 2."""
        if not self._errors:
            logger.warning("%s_failed error=%s: trying again until it works", self._what, err)
        self._errors += 1
        return float(min(2.0, 0.1 * 2 ** min(self._errors - 1, 6)))

    def over(self) -> None:
        """Note a success."""
        if self._errors:
            logger.warning("%s_recovered after=%d attempts", self._what, self._errors)
            self._errors = 0
