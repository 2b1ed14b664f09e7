"""What becomes of a corpus, in processes of its own: each file at the door, and in a worker if the door takes it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.support.probe import Answer, Probe

# What no file may take; a photograph of 100 megapixels takes less.
SLOW_S, LARGE_MB = 10.0, 1_500.0


@dataclass(slots=True)
class Found:
    """What became of all files.

    Attributes:
        counts: of files, by what became of them.
        bad: those that were slow, large, or crashed, and why.
    """

    counts: Counter[str] = field(default_factory=Counter)
    bad: list[str] = field(default_factory=list)


def run(files: Iterable[tuple[str, bytes]], root: Path) -> Found:
    """Return what becomes of files with the code of the checkout ``root``."""
    found = Found()
    probe = Probe(root, SLOW_S)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "image"
        for name, content in files:
            path.write_bytes(content)
            found.counts["files"] += 1
            _note(found, name, *_asked(probe, path))
    probe.close()
    return found


def _asked(probe: Probe, path: Path) -> tuple[str, Answer]:
    door = probe.ask("door", path)
    return ("door", door) if door.outcome != "done" else ("worker", probe.ask("worker", path))


def _note(found: Found, name: str, way: str, answer: Answer) -> None:
    said = {"done": "labelled", "refused": f"refused by the {way}", "late": "slow"}.get(answer.outcome, "crashed")
    found.counts[said] += 1
    if answer.peak_mb > LARGE_MB:
        found.counts["large"] += 1
    if said in ("slow", "crashed") or answer.peak_mb > LARGE_MB:
        found.bad.append(f"{name}: {said} by the {way}, {answer.cpu_s} s, {answer.peak_mb} MB {answer.words}")
