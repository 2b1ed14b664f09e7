"""A process that tells where its CPU time goes: a line on its input is a file, which it writes that to as JSON.

Parts of the work are timed in the thread that does them; everything else goes by the thread.
"""

from __future__ import annotations

import functools
import json
import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

_parts: Counter[str] = Counter()
_counting = threading.Lock()
# Of each thread: what those calls within the one under way have taken that are timed apart.
_within = threading.local()


def timed(what: str, call: Callable[..., Any]) -> Callable[..., Any]:
    """Return ``call`` with its thread's CPU time added to ``what``."""

    @functools.wraps(call)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        began = time.thread_time_ns()
        try:
            return call(*args, **kwargs)
        finally:
            _add(what, time.thread_time_ns() - began)

    return wrapper


def timed_apart(what: str, call: Callable[..., Any], in_the_main_thread: str = "") -> Callable[..., Any]:
    """Return ``call`` timed, but for what is timed apart within it.

    Args:
        what: the part.
        call: what is timed.
        in_the_main_thread: the part that it is there; the same unless told.
    """

    @functools.wraps(call)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        outer, _within.spent = getattr(_within, "spent", 0), 0
        began = time.thread_time_ns()
        try:
            return call(*args, **kwargs)
        finally:
            spent = time.thread_time_ns() - began
            own, _within.spent = spent - _within.spent, outer + spent
            main = in_the_main_thread and threading.current_thread() is threading.main_thread()
            _add(in_the_main_thread if main else what, own)

    return wrapper


def _add(what: str, nanoseconds: int) -> None:
    with _counting:
        _parts[what] += nanoseconds


def parts() -> dict[str, float]:
    """Return the CPU seconds that each part has taken so far."""
    with _counting:
        return {what: nanoseconds / 1e9 for what, nanoseconds in _parts.items()}


def begin(threads: Mapping[str, str], python: str, others: str) -> None:
    """Begin to answer.

    Args:
        threads: the names of threads, or what they begin with -> what they do.
        python: what Python's other threads do; ``{name}`` is theirs.
        others: what those do that are not Python's.
    """
    threading.Thread(target=_answer, args=(threads, python, others), name="probe", daemon=True).start()


def _answer(threads: Mapping[str, str], python: str, others: str) -> None:
    for line in sys.stdin:
        file = Path(line.strip())
        file.with_suffix(".new").write_text(json.dumps(_spent(threads, python, others)))
        file.with_suffix(".new").rename(file)


def _spent(threads: Mapping[str, str], python: str, others: str) -> dict[str, float]:
    """Return the CPU seconds of each part and of each kind of thread so far."""
    names = {thread.native_id: thread.name for thread in threading.enumerate()}
    # The main thread's number is not what it was, where this process was forked.
    names[os.getpid()] = "MainThread"
    kinds: Counter[str] = Counter()
    for task in Path("/proc/self/task").iterdir():
        name = names.get(int(task.name))
        other = python if name else others
        name = name or (task / "comm").read_text().strip()
        kind = next((kind for start, kind in threads.items() if name.startswith(start)), other.format(name=name))
        kinds[kind] += int((task / "schedstat").read_text().split()[0])
    with _counting:
        return {what: nanoseconds / 1e9 for what, nanoseconds in (kinds + _parts).items()}
