"""A web process killed amid a deletion: the batch is gone for all who ask, and the sweep deletes what is left of it."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial

import urllib3

from autoscaler.sweep.rounds import Sweep
from tasks.celery import make_app
from tests.support import photographs
from tests.support.fault_proxy import FaultProxy
from tests.support.waiting import wait_for
from tests.support.web import Site

# How the proxy names a call of S3 that deletes many objects.
DELETE_OBJECTS = "?"


def test_a_deletion_whose_web_process_is_killed_is_finished_by_the_sweep(
    serve: Callable[..., Site], proxy: FaultProxy
) -> None:
    site, other = serve(AWS_ENDPOINT_URL=proxy.endpoint_url), serve()
    id = site.upload(*((f"{n}.png", photographs.chelsea()) for n in range(5)))["id"]
    site.classify(f"{id}/0.png")
    proxy.fault(DELETE_OBJECTS, "hang")

    def delete() -> None:
        with suppress(urllib3.exceptions.HTTPError):  # it is cut off
            site.http.request("DELETE", f"{site.url}/api/batches/{id}")

    deleting = threading.Thread(target=delete)
    deleting.start()
    wait_for(partial(proxy.faulted.get, DELETE_OBJECTS), 30)
    os.killpg(site.process.pid, signal.SIGKILL)
    deleting.join(30)
    proxy.release()
    assert len(other.keys(id)) == 5, "all was deleted before it was killed"
    assert other.get(f"/api/batches/{id}").status == 404
    Sweep(other.config, make_app(other.config)).round(0.0, datetime.now(UTC))
    assert other.keys(id) == []
    assert list(other.storage.outcomes(id)) == []
