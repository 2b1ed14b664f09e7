"""A message sent around the moment at which an idle worker leaves is done, or there for the next, never hidden."""

from __future__ import annotations

import random
import re
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from app.local import EmbeddedCloud
from tests.support.waiting import wait_for
from tests.support.workers import Bench

TRIALS = 50
AT_ONCE = 5
IDLE_S = 2.0

pytestmark = pytest.mark.slow


def test_no_idle_stop_of_fifty_strands_a_message(cloud: EmbeddedCloud, tmp_path: Path) -> None:
    chance = random.Random(19)
    offsets = [chance.uniform(-1.0, 1.0) for _ in range(TRIALS)]
    with ThreadPoolExecutor(AT_ONCE) as trials:
        ends = list(trials.map(lambda n: trial(cloud, tmp_path / str(n), f"idle{n}", offsets[n]), range(TRIALS)))
    assert ends.count("stranded") == 0, ends
    # Both sides of the moment were met, or the trials prove nothing.
    assert ends.count("done") > TRIALS // 10, ends
    assert ends.count("waiting") > TRIALS // 10, ends


def trial(cloud: EmbeddedCloud, folder: Path, name: str, offset_s: float) -> str:
    """Send one message ``offset_s`` after the moment at which a worker becomes idle for good; say what became of it."""
    folder.mkdir()
    bench = Bench(folder, cloud.endpoint_url, name)
    try:
        app = bench.app()
        app.send_task("work", (0,))
        process = bench.worker("-P", "solo", env={"SAMPLE_LIFECYCLE": "1", "ELASTIQ_IDLE_SECONDS": str(IDLE_S)})
        wait_for(lambda: bench.done()[0] == 1, 60)
        last_work = bench.lines(what="end")[0]["at"]
        time.sleep(max(0.0, last_work + IDLE_S + offset_s - time.time()))
        app.send_task("work", (1,))
        assert process.wait(40) == 0
        assert re.search("idle_stop", bench.worker_log().read_text())
        if bench.done()[1]:
            assert bench.depth() == (0, 0, 0)
            return "done"
        return "waiting" if bench.depth() == (1, 0, 0) else "stranded"
    finally:
        bench.end()
