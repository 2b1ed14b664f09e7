"""Announces what became of an image, as a Celery event. No work depends on anyone hearing it."""

from __future__ import annotations

from collections.abc import Callable

from app.announcements import ImageClassified, ImageFailed
from app.domain import Classification, Failure, Life

_send: Callable[..., None] | None = None


def through(send: Callable[..., None] | None) -> None:
    """Send events through ``send(type, **fields)``, such as the worker's own dispatcher; None sends none."""
    global _send
    _send = send


def announce(outcome: Classification | Failure, life: Life | None = None) -> None:
    """Announce an outcome and when what was done for it, if this process is a worker that sends events."""
    if _send is not None:
        what = ImageFailed(outcome, life) if isinstance(outcome, Failure) else ImageClassified(outcome, life)
        _send(what.TYPE, **what.to_event())
