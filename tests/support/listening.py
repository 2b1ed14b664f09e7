"""A listener of the test's own: what Celery's events say, as any program hears them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def listening(app: Any, kind: str = "*") -> Iterator[list[dict[str, Any]]]:
    """Collect the events that a receiver hears, of one kind or of all."""
    events: list[dict[str, Any]] = []
    ready = threading.Event()
    with app.connection_for_read() as connection:
        receiver = app.events.Receiver(connection, handlers={kind: events.append})
        receiver.on_consume_ready = lambda *_, **__: ready.set()
        capture = {"limit": None, "timeout": None, "wakeup": False}
        thread = threading.Thread(target=receiver.capture, kwargs=capture, daemon=True)
        thread.start()
        assert ready.wait(20)
        try:
            yield events
        finally:
            receiver.should_stop = True
            thread.join(5)
