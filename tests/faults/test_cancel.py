"""A batch cancelled while its worker is killed: each image has one state in the end, and no message is left."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support import photographs
from tests.support.autoscaler import wait_for_event, worker
from tests.support.engines import engine
from tests.support.waiting import wait_for
from tests.support.web import Site

IMAGES = 150

pytestmark = pytest.mark.slow


def test_a_worker_killed_amid_a_cancelled_batch_leaves_no_image_waiting(
    serve: Callable[..., Site], tmp_path: Path
) -> None:
    engine()
    site, first, second = serve(ELASTIQ_CONCURRENCY="1"), tmp_path / "first.log", tmp_path / "second.log"
    cat = photographs.chelsea()
    id = site.upload(*((f"{n}.png", cat) for n in range(IMAGES)))["id"]
    with worker({**site.environment, "ELASTIQ_LOG_FORMAT": "json"}, "i-1", first) as process:
        wait_for(lambda: next(site.storage.outcomes(id), None), 60, first.read_text)
        assert site.post(f"/api/batches/{id}/cancel").status == 200
        wait_for_event(first, "batch_dropped")
        process.kill()
        process.wait()
    done = len(list(site.storage.outcomes(id)))
    assert done < IMAGES, "all was done before the batch was cancelled"
    with worker(site.environment, "i-2", second):
        # What the first one had in hand comes back when its lease runs out.
        wait_for(lambda: not site.queued(), 90, second.read_text)
        assert len(list(site.storage.outcomes(id))) == done
    counts = site.batch(id)["counts"]
    assert counts == {"total": IMAGES, "waiting": 0, "done": done, "failed": 0, "cancelled": IMAGES - done}
    assert site.events(id).until("done")
