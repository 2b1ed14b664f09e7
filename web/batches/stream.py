"""A batch's news as server-sent events.

`image-waiting`, `image-classified`, `image-failed` and `image-cancelled` carry one image as the API shows it. `current`
says that all that was there before has been told, and `done` ends the stream; both carry the counts. `waits` says what
the images wait for, while nothing comes. An image's event has an id, a cursor: who reconnects gets only what is newer.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from functools import lru_cache

from web.batches.batch import Image, cursor
from web.batches.feed import Feed
from web.batches.watch import Change

SIGN_OF_LIFE_S = 5.0
RETRY_MS = 2000
_EVENT = {
    "waiting": "image-waiting",
    "done": "image-classified",
    "failed": "image-failed",
    "cancelled": "image-cancelled",
}


async def events_of(
    feed: Feed, batch: str, after: str, waits: Callable[[], dict[str, str]] = dict
) -> AsyncGenerator[bytes, None]:
    """Yield the stream's text: all news after the cursor ``after``, then each at once, until the batch is complete.

    Args:
        feed: has the news.
        batch: its id.
        after: the cursor; empty for all.
        waits: tells what images wait for; nothing where nobody knows.
    """
    yield b"retry: %d\n\n" % RETRY_MS
    current = False
    told: dict[str, str] = {}
    async with aclosing(feed.follow(batch, after, SIGN_OF_LIFE_S)) as changes:
        async for change in changes:
            if change.images:
                yield _images(change)
            if change.current and not current:
                current = True
                yield _mark("current", change)
            elif not change.images and not change.complete:
                yield b": still here\n\n"
                if change.counts.waiting and (said := waits()) != told:
                    told = said
                    yield f"event: waits\ndata: {json.dumps(said)}\n\n".encode()
            if change.complete:
                yield _mark("done", change)


def _mark(kind: str, change: Change) -> bytes:
    return f"event: {kind}\ndata: {json.dumps(change.counts.to_json())}\n\n".encode()


# All who follow a batch are told the same: it is written once for them.
@lru_cache(maxsize=64)
def _images(change: Change) -> bytes:
    return b"".join(_event(image, change.epoch) for image in change.images)


def _event(image: Image, epoch: str) -> bytes:
    id, data = cursor(epoch, image.position), json.dumps(image.to_json())
    return f"id: {id}\nevent: {_EVENT[image.state]}\ndata: {data}\n\n".encode()
