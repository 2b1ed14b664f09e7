from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.corpus.files import WAYS, corpus
from tests.corpus.run import run

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the peak of a process's memory is read as Linux tells it")
def test_no_file_of_a_part_of_the_corpus_is_slow_or_large_or_crashes() -> None:
    found = run(corpus(300, seed=2, heavy=False), ROOT)

    assert found.bad == []
    assert found.counts["files"] == 300
    assert all(found.counts[what] > 10 for what in ("labelled", "refused by the door", "refused by the worker"))


def test_the_corpus_is_the_same_each_time_and_broken_in_every_way() -> None:
    files = list(corpus(150, seed=2, heavy=False))

    assert files == list(corpus(150, seed=2, heavy=False))
    assert all(any(f", {way} " in name for name, _ in files) for way in WAYS)
