"""The news of a batch whose images are in S3 already, as server-sent events: how many, not which.

`counts` comes whenever they have changed, and `done` ends the stream.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable

from app.errors import ElastiqError
from app.sources.progress import Progress

LOOK_S = 2.0


async def counts_of(read: Callable[[], Progress | None], closed: Callable[[], bool]) -> AsyncGenerator[bytes, None]:
    """Yield the stream's text until the batch is complete, or cannot be.

    Args:
        read: returns how far the batch is; may take its time.
        closed: whether this process is about to stop.
    """
    yield b"retry: 2000\n\n"
    told = ""
    while not closed():
        try:
            progress = await asyncio.get_running_loop().run_in_executor(None, read)
        except ElastiqError:
            progress = None  # the next look may do better
        if progress is not None and (said := json.dumps(progress.counts())) != told:
            told = said
            yield f"event: counts\ndata: {said}\n\n".encode()
        else:
            yield b": still here\n\n"
        if progress is not None and progress.over:
            yield f"event: done\ndata: {told}\n\n".encode()
            return
        await asyncio.sleep(LOOK_S)
