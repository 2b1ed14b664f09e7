"""What asynchronous generators yield, for tests that have no event loop: it turns only while the next is waited for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")

Each = Callable[[AsyncGenerator[T, None]], Iterator[T]]


@contextmanager
def turning() -> Iterator[Each[object]]:
    """Give a function that makes an iterator of an asynchronous generator; all share one loop, which ends with this.

    A generator is closed when its iterator is forgotten, as others are.
    """
    with asyncio.Runner() as runner:
        begun: set[AsyncGenerator[object, None]] = set()

        async def step(generator: AsyncGenerator[T, None]) -> T:
            return await anext(generator)

        async def end(generator: AsyncGenerator[object, None]) -> None:
            begun.remove(generator)
            await generator.aclose()

        def each(generator: AsyncGenerator[T, None]) -> Iterator[T]:
            begun.add(generator)
            try:
                while True:
                    try:
                        yield runner.run(step(generator))
                    except StopAsyncIteration:
                        return
            finally:
                if generator in begun:
                    runner.run(end(generator))

        yield each
        for generator in list(begun):
            runner.run(end(generator))
