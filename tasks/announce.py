"""Announces what became of an image, as a Celery event. No work depends on anyone hearing it."""

from __future__ import annotations

from collections.abc import Callable

from app.announcements import ImageClassified, ImageFailed
from app.domain import Classification, Failure, Life

_send: Callable[..., object] | None = None
_hasten: Callable[[], object] | None = None


def through(send: Callable[..., object] | None, hasten: Callable[[], object] | None = None) -> None:
    """Send events through ``send(type, **fields)``, such as the worker's own dispatcher; None sends none.

    Args:
        send: may keep events for a while.
        hasten: has what ``send`` keeps go soon; None where it keeps nothing.
    """
    global _send, _hasten
    _send, _hasten = send, hasten


def announce(outcome: Classification | Failure, life: Life | None = None, *, awaited: bool = True) -> None:
    """Announce an outcome and when what was done for it, if this process is a worker that sends events.

    Args:
        outcome: what became of an image.
        life: when.
        awaited: whether somebody may be waiting for this one.
    """
    if _send is None:
        return
    what = ImageFailed(outcome, life) if isinstance(outcome, Failure) else ImageClassified(outcome, life)
    _send(what.TYPE, **what.to_event())
    if awaited and _hasten is not None:
        _hasten()
