"""Waiting for what other processes and threads do: the one place where a test looks again and again."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

TIMEOUT_S = 60
LONGEST_PAUSE_S = 0.2


def wait_for(
    condition: Callable[[], Any],
    timeout_s: float = TIMEOUT_S,
    what: str | Callable[[], object] = "it did not come true",
) -> Any:
    """Return what ``condition`` returns once that is true.

    Args:
        condition: is looked at often at first, then ever less often.
        timeout_s: seconds after which to fail; it is looked at once even if there are none.
        what: tells, on failure, what was waited for or how things stand; a function of no arguments is called then.

    Raises:
        AssertionError: it did not come true in time; says ``what``, and what ``condition`` returned last.
    """
    __tracebackhide__ = True
    began = time.monotonic()
    while not (result := condition()):
        waited_s = time.monotonic() - began
        if waited_s > timeout_s:
            told = what() if callable(what) else what
            raise AssertionError(f"not within {timeout_s} s, the last value was {result!r}: {told}")
        time.sleep(min(0.01 + waited_s / 20, LONGEST_PAUSE_S))
    return result
