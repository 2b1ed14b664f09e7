"""Messages of cancelled batches, in a real worker: dropped without a look at the image, and not counted as work."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from app.announcements import WorkerHeartbeat
from tasks.celery import make_app
from tests.support import photographs
from tests.support.autoscaler import worker
from tests.support.engines import engine
from tests.support.listening import announced
from tests.support.waiting import wait_for
from tests.support.web import Site

CAT = photographs.chelsea()


def test_a_worker_that_comes_later_drops_what_was_cancelled_and_does_the_rest(
    serve: Callable[..., Site], tmp_path: Path
) -> None:
    engine()
    site, log = serve(), tmp_path / "worker.log"
    cancelled = site.upload(*((f"{n}.png", CAT) for n in range(30)))["id"]
    assert site.post(f"/api/batches/{cancelled}/cancel").status == 200
    with announced(make_app(site.config)) as said, worker(site.environment, "i-1", log):
        wait_for(lambda: not site.queued(), 60, log.read_text)
        id = site.upload(("cat.png", CAT))["id"]
        wait_for(lambda: site.batch(id)["counts"]["done"], 60, log.read_text)
        heard = wait_for(lambda: [one.what for one in list(said) if _has_worked(one.what)], 30, log.read_text)
    assert heard[0].processed == 1
    assert list(site.storage.outcomes(cancelled)) == []
    counts = site.batch(cancelled)["counts"]
    assert (counts["cancelled"], counts["total"]) == (30, 30)


def _has_worked(what: object) -> bool:
    return isinstance(what, WorkerHeartbeat) and what.processed > 0
