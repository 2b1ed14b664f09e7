from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from tasks.engine.minibatch import Minibatches


class Double:
    """Doubles numbers; notes the size of each call; refuses 13; can be held."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.free = threading.Event()
        self.called = threading.Event()

    def __call__(self, numbers: Sequence[int]) -> list[int]:
        self.sizes.append(len(numbers))
        self.called.set()
        self.free.wait(10)
        if 13 in numbers:
            raise ValueError("13 is refused")
        return [2 * number for number in numbers]


def test_each_caller_gets_its_own_answer() -> None:
    double = Double()
    double.free.set()
    minibatches = Minibatches(double, size=4, wait_s=0.001)

    with ThreadPoolExecutor(16) as threads:
        assert list(threads.map(minibatches, range(100, 300))) == list(range(200, 600, 2))
    assert max(double.sizes) <= 4


def test_what_comes_while_the_device_is_busy_goes_together_next() -> None:
    double = Double()
    minibatches = Minibatches(double, size=8, wait_s=0.5)
    with ThreadPoolExecutor(9) as threads:
        first = threads.submit(minibatches, 0)
        double.called.wait(10)
        rest = [threads.submit(minibatches, number) for number in range(1, 9)]
        double.free.set()

        assert [first.result(10), *(each.result(10) for each in rest)] == [2 * number for number in range(9)]
    assert double.sizes == [1, 8]


def test_a_full_minibatch_does_not_wait() -> None:
    double = Double()
    double.free.set()
    minibatches = Minibatches(double, size=2, wait_s=3600)
    with ThreadPoolExecutor(2) as threads:
        assert list(threads.map(minibatches, [1, 2], timeout=10)) == [2, 4]
    assert double.sizes == [2]


def test_an_item_that_fails_fails_alone() -> None:
    double = Double()
    minibatches = Minibatches(double, size=4, wait_s=0.5)
    with ThreadPoolExecutor(5) as threads:
        held = threads.submit(minibatches, 0)
        double.called.wait(10)
        good = [threads.submit(minibatches, number) for number in (1, 2, 3)]
        bad = threads.submit(minibatches, 13)
        double.free.set()

        assert [held.result(10), *(each.result(10) for each in good)] == [0, 2, 4, 6]
        with pytest.raises(ValueError, match="13 is refused"):
            bad.result(10)
    assert double.sizes[:2] == [1, 4]
