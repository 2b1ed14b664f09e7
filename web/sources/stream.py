"""The news of a batch whose images are in S3 already, as server-sent events: how many, not which.

`counts` comes whenever they have changed, `progress` whenever that has, `waits` as of any batch, and `done` ends the
stream.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from typing import Any

from app.errors import ElastiqError

LOOK_S = 2.0


@dataclass(frozen=True, slots=True)
class Seen:
    """A batch at a moment.

    Attributes:
        counts: its images by state.
        progress: how far it is, as the API has it.
        over: whether nobody has to go on with it.
    """

    counts: dict[str, int]
    progress: dict[str, Any]
    over: bool


async def counts_of(
    look: Callable[[], Seen | None],
    closed: Callable[[], bool],
    waits: Callable[[], dict[str, str]] = dict,
) -> AsyncGenerator[bytes, None]:
    """Yield the stream's text until the batch is complete, or cannot be, or is deleted.

    Args:
        look: returns how the batch is, None if it is deleted; may take its time.
        closed: whether this process is about to stop.
        waits: tells what images wait for; nothing where nobody knows.
    """
    yield b"retry: 2000\n\n"
    told: dict[str, str] = {}
    while not closed():
        try:
            seen = await asyncio.get_running_loop().run_in_executor(None, look)
        except ElastiqError:
            yield b": still here\n\n"  # the next look may do better
        else:
            if seen is None:
                return
            now = {"counts": json.dumps(seen.counts), "progress": json.dumps(seen.progress)}
            if seen.counts["waiting"]:
                now["waits"] = json.dumps(waits())
            news = {kind: said for kind, said in now.items() if told.get(kind) != said}
            told = now
            yield b"".join(_event(kind, said) for kind, said in news.items()) or b": still here\n\n"
            if seen.over:
                yield _event("done", now["counts"])
                return
        await asyncio.sleep(LOOK_S)


def _event(kind: str, data: str) -> bytes:
    return f"event: {kind}\ndata: {data}\n\n".encode()
