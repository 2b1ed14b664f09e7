"""Announces what became of an image, as a Celery event. No work depends on anyone hearing it."""

from __future__ import annotations

from collections.abc import Callable

from app.announcements import ImageClassified, ImageFailed
from app.domain import Classification, Failure

_send: Callable[..., None] | None = None


def through(send: Callable[..., None] | None) -> None:
    """Send events through ``send(type, **fields)``, the worker's own dispatcher; None sends none."""
    global _send
    _send = send


def announce(outcome: Classification | Failure, waited_s: float | None = None) -> None:
    """Announce an outcome, if this process is a worker that sends events.

    Args:
        outcome: what became of an image.
        waited_s: the seconds from its message's sending until now, where it came in its turn.
    """
    if _send is not None:
        what = ImageFailed(outcome) if isinstance(outcome, Failure) else ImageClassified(outcome, waited_s)
        _send(what.TYPE, **what.to_event())
