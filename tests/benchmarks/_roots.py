"""Which checkouts a benchmark measures: one, or another beside it, in one run on one machine."""

from __future__ import annotations

from pathlib import Path


def roots(now: Path, before: Path | None) -> dict[str, Path]:
    """Return the checkouts by what their figures are called: ``now``, after ``before`` if that is given."""
    return {**({"before": before.resolve()} if before else {}), "now": now.resolve()}
