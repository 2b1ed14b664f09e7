"""A listener of the test's own: what Celery's events say, as any program hears them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, TypeVar

from app.announcements import Said

T = TypeVar("T")


def listening(app: Any) -> AbstractContextManager[list[dict[str, Any]]]:
    """Collect the events that a receiver hears."""
    return _collecting(app, lambda event: event)


def announced(app: Any) -> AbstractContextManager[list[Said]]:
    """Collect what is announced, and by whom; an event that is malformed fails the test."""
    return _collecting(app, Said.of)


@contextmanager
def _collecting(app: Any, read: Callable[[dict[str, Any]], T]) -> Iterator[list[T]]:
    heard: list[T] = []
    odd: list[Exception] = []

    def hear(event: dict[str, Any]) -> None:
        try:
            heard.append(read(event))
        except Exception as err:
            odd.append(err)

    ready = threading.Event()
    with app.connection_for_read() as connection:
        receiver = app.events.Receiver(connection, handlers={"*": hear})
        receiver.on_consume_ready = lambda *_, **__: ready.set()
        capture = {"limit": None, "timeout": None, "wakeup": False}
        thread = threading.Thread(target=receiver.capture, kwargs=capture, daemon=True)
        thread.start()
        assert ready.wait(20)
        try:
            yield heard
        finally:
            receiver.should_stop = True
            thread.join(5)
    assert odd == []
