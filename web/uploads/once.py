"""A request that its client has named is done once, however often and to whichever web process it is sent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from werkzeug.exceptions import Conflict, UnprocessableEntity

from app.batches.promises import Promise, Promises

Make = Callable[[str], tuple[dict[str, Any], str]]


class Once:
    """Does what is asked, or answers as it was answered before. Safe to share between threads.

    Args:
        promises: what clients were promised.
    """

    def __init__(self, promises: Promises) -> None:
        self._promises = promises

    def answer(self, client: str, key: str, batch: str, make: Make, sent: Callable[[], str]) -> dict[str, Any]:
        """Return the answer to a request that makes a batch.

        What failed, or was never answered, goes on in the batch that it began: no file is stored twice.

        Args:
            client: who asks.
            key: what he has named the request; empty: nothing, and it is just done.
            batch: a new batch's id.
            make: makes the batch of an id; returns the answer, and the digest of what was sent.
            sent: returns that digest alone.

        Raises:
            Conflict: the same is under way.
            UnprocessableEntity: something else was sent by this key before.
        """
        if not key:
            return make(batch)[0]
        promise, ours = self._promises.begin(client, key, batch)
        if ours:
            return self._made(client, key, promise, make)
        if promise.answer is None:
            raise Conflict("a request with this Idempotency-Key is under way; try again in a minute")
        if sent() != promise.sent:
            raise UnprocessableEntity(
                f"this Idempotency-Key was of another request, which made batch {promise.batch}; take a new key"
            )
        return promise.answer

    def _made(self, client: str, key: str, promise: Promise, make: Make) -> dict[str, Any]:
        try:
            answer, sent = make(promise.batch)
        except Exception:
            self._promises.keep(client, key, replace(promise, under_way_until=0.0))
            raise
        self._promises.keep(client, key, replace(promise, sent=sent, answer=answer))
        return answer
