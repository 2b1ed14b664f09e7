"""Coroutines and asynchronous generators, for tests that have no event loop of their own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

T = TypeVar("T")

Each = Callable[[AsyncGenerator[T, None]], Iterator[T]]


def run(main: Coroutine[Any, Any, T]) -> T:
    """Return what a coroutine returns, run in a thread of its own: in the test's own, a browser may have a loop."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, main).result()


@contextmanager
def turning() -> Iterator[Each[object]]:
    """Give a function that makes an iterator of an asynchronous generator; all share one loop, which ends with this.

    A generator is closed when its iterator is forgotten, as others are.
    """
    with ThreadPoolExecutor(1) as pool:
        runner = pool.submit(asyncio.Runner).result()
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
                        yield pool.submit(runner.run, step(generator)).result()
                    except StopAsyncIteration:
                        return
            finally:
                if generator in begun:
                    pool.submit(runner.run, end(generator)).result()

        try:
            yield each
            for generator in list(begun):
                pool.submit(runner.run, end(generator)).result()
        finally:
            pool.submit(runner.close).result()
