"""Whether the stage still plays: what a thread dies of is noted, and whoever waits fails by it at once."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.support.waiting import wait_for


class Watch:
    """What threads have died of, in their own words."""

    def __init__(self) -> None:
        self.died: list[str] = []

    def sound(self) -> None:
        """Return if none has.

        Raises:
            AssertionError: one has; with its words.
        """
        assert not self.died, "a thread of the rehearsal has died:\n" + "\n".join(self.died)

    def wait(self, condition: Callable[[], object], timeout_s: float, what: Callable[[], object]) -> None:
        """Wait as `wait_for` does, and no longer than all is sound."""

        def held() -> object:
            self.sound()
            return condition()

        wait_for(held, timeout_s, what)

    def note(self, args: threading.ExceptHookArgs) -> None:
        """Note what a thread has died of."""
        name = args.thread.name if args.thread else "?"
        said = "".join(traceback.format_exception(args.exc_type, args.exc_value, args.exc_traceback))
        self.died.append(f"{name}: {said}")


@contextmanager
def watched() -> Iterator[Watch]:
    """Watch every thread of this process within the block."""
    watch = Watch()
    before, threading.excepthook = threading.excepthook, watch.note
    try:
        yield watch
    finally:
        threading.excepthook = before
