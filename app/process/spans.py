"""Spans for whoever traces this process. Where nobody does, as unless `tracing` began it, they cost nothing."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol


class Tracing(Protocol):
    """What traces a process."""

    def span(self, name: str, attributes: dict[str, Any], *, alone: bool) -> AbstractContextManager[object]:
        """Return a span that lasts for a ``with`` block; one that has no parent is none unless ``alone``."""

    def told(self, attributes: dict[str, Any]) -> None:
        """Add to what the current span tells."""

    def past(self, name: str, carrier: dict[str, Any], ends: tuple[float, float], attributes: dict[str, Any]) -> None:
        """Tell of a span that is over, in the trace that ``carrier`` leads to; its ends in seconds since 1970."""

    def carrier(self) -> dict[str, str]:
        """Return what a message has to carry, for the trace to go on with it."""

    def trace_id(self) -> str:
        """Return the current trace's id; none is empty."""


_tracing: Tracing | None = None


def use(tracing: Tracing | None) -> None:
    """Have ``tracing`` trace this process; None has nothing do so."""
    global _tracing
    _tracing = tracing


def span(name: str, **attributes: Any) -> AbstractContextManager[object]:
    """Return a span of a trace that is under way, for a ``with`` block."""
    return nullcontext() if _tracing is None else _tracing.span(name, attributes, alone=False)


def trace(name: str, **attributes: Any) -> AbstractContextManager[object]:
    """Return a span that may be a trace's first."""
    return nullcontext() if _tracing is None else _tracing.span(name, attributes, alone=True)


def tell(**attributes: Any) -> None:
    """Add to what the current span tells."""
    if _tracing is not None:
        _tracing.told(attributes)


def past(name: str, carrier: dict[str, Any], ends: tuple[float, float], **attributes: Any) -> None:
    """Tell of a span that is over, in the trace that ``carrier`` leads to; its ends in seconds since 1970."""
    if _tracing is not None:
        _tracing.past(name, carrier, ends, attributes)


def carrier() -> dict[str, str]:
    """Return what a message has to carry, for the trace to go on with it."""
    return {} if _tracing is None else _tracing.carrier()


def trace_id() -> str:
    """Return the current trace's id; empty where there is none."""
    return "" if _tracing is None else _tracing.trace_id()
