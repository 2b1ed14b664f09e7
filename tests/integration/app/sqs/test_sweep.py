"""The sweep of listeners' queues: what a killed process leaves goes, what lives stays."""

from __future__ import annotations

import signal
from typing import Any

from app.sqs.gateway import Gateway
from app.sqs.options import Options
from app.sqs.sweep import ListenerSweep
from tests.support.workers import Bench


def test_the_queue_of_a_killed_worker_is_swept_and_that_of_a_living_one_is_not(bench: Bench) -> None:
    prefix = f"{bench.name}-on-"
    options: dict[str, Any] = {"listener_prefix": prefix}
    killed = bench.ready_worker(options=dict(options))
    (left,) = bench.queues(prefix)
    bench.ready_worker(options=dict(options))
    (living,) = set(bench.queues(prefix)) - {left}
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    gateway = Gateway(Options(endpoint_url=bench.endpoint_url, topic=f"{bench.name}-fanout"))
    assert gateway.sweep(ListenerSweep(prefix)) == [left]
    assert bench.queues(prefix) == [living]
    assert bench.heard() == [living]
    gateway.close()
