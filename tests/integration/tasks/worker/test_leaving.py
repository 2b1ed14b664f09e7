"""Real workers that leave: whatever the reason, they kill no task, lose none, say why, and end with status 0."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable, Iterator

import pytest

from app.announcements import Said, WorkerHeartbeat, WorkerLeaving, WorkerOffline
from app.domain import STAY_COMMAND
from tests.support.listening import announced
from tests.support.metadata import MetadataService, metadata_service
from tests.support.waiting import wait_for
from tests.support.workers import Bench

ON_EC2 = "i-0123456789abcdef0"
LONG = ("-P", "threads", "-c", "2")

Ask = Callable[[Bench, MetadataService, subprocess.Popen[bytes]], object]


@pytest.fixture
def metadata() -> Iterator[MetadataService]:
    with metadata_service() as service:
        yield service


def worker(bench: Bench, metadata: MetadataService, **env: str) -> subprocess.Popen[bytes]:
    """Start a worker as if on an EC2 instance, and wait until it takes work."""
    environment = {
        "SAMPLE_LIFECYCLE": "1",
        "ELASTIQ_INSTANCE_ID": ON_EC2,
        "ELASTIQ_IDLE_SECONDS": "0",
        "AWS_EC2_METADATA_SERVICE_ENDPOINT": metadata.endpoint,
        **env,
    }
    return bench.ready_worker(*LONG, env=environment)


def notice(path: str) -> Ask:
    def give(bench: Bench, metadata: MetadataService, process: subprocess.Popen[bytes]) -> None:
        metadata.found[path] = "{}"

    return give


def by_remote_control(bench: Bench, metadata: MetadataService, process: subprocess.Popen[bytes]) -> None:
    (node,) = bench.inspect().ping()
    bench.app().control.shutdown(destination=[node])


def by_signal(bench: Bench, metadata: MetadataService, process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)


def reasons(heard: list[Said]) -> list[str]:
    """Return why workers said that they leave."""
    return [said.what.why for said in heard if isinstance(said.what, WorkerLeaving)]


@pytest.mark.parametrize(
    ("ask", "why"),
    [
        pytest.param(notice("spot/instance-action"), "notice", id="spot interruption"),
        pytest.param(notice("events/recommendations/rebalance"), "notice", id="rebalance recommendation"),
        pytest.param(notice("tags/instance/elastiq-drain"), "asked", id="drain tag"),
        pytest.param(by_remote_control, "asked", id="remote control"),
        pytest.param(by_signal, "signal", id="SIGTERM"),
    ],
)
def test_a_worker_that_is_to_leave_finishes_what_runs_and_gives_back_the_rest(
    bench: Bench, metadata: MetadataService, ask: Ask, why: str
) -> None:
    with announced(bench.app()) as heard:
        process = worker(bench, metadata, ELASTIQ_HEED_REBALANCE="1")
        wait_for(lambda: heard, 20)
        bench.send(bench.app(), "work", 20, 2.0)
        wait_for(lambda: len(bench.lines(what="begin")) >= 2, 20)
        ask(bench, metadata, process)
        assert process.wait(60) == 0
        begun = {line["number"] for line in bench.lines(what="begin", pid=process.pid)}
        assert begun == {line["number"] for line in bench.lines(what="end", pid=process.pid)}, "a task was cut off"
        assert len(begun) < 20, "it was to leave before all was done"
        wait_for(lambda: bench.depth() == (20 - len(begun), 0, 0), 10)
        said = wait_for(lambda: reasons(heard), 10)
        assert said == [why]
    bench.worker("-P", "threads", "-c", "20")
    wait_for(lambda: sum(bench.done().values()) == 20, 60)
    assert set(bench.done().values()) == {1}
    wait_for(lambda: bench.depth() == (0, 0, 0), 10)


def test_a_worker_without_work_says_that_it_was_idle(bench: Bench, metadata: MetadataService) -> None:
    with announced(bench.app()) as heard:
        process = worker(bench, metadata, ELASTIQ_IDLE_SECONDS="2")
        assert process.wait(60) == 0
        farewell = wait_for(
            lambda: [said.what for said in heard if isinstance(said.what, WorkerLeaving | WorkerOffline)], 10
        )
        assert farewell[0] == WorkerLeaving("idle")


def test_an_idle_worker_stays_as_long_as_it_is_told_to(bench: Bench, metadata: MetadataService) -> None:
    with announced(bench.app()) as heard:
        process = worker(bench, metadata, ELASTIQ_IDLE_SECONDS="3")
        bench.app().control.broadcast(STAY_COMMAND, arguments={"seconds": 300})
        # One comes every two seconds.
        wait_for(lambda: sum(isinstance(said.what, WorkerHeartbeat) for said in heard) >= 6, 40)
        assert process.poll() is None
        bench.app().control.broadcast(STAY_COMMAND, arguments={"seconds": 0})
        assert process.wait(60) == 0
        assert wait_for(lambda: reasons(heard), 10) == ["idle"]


def test_the_first_of_two_reasons_is_the_one_that_is_told(bench: Bench, metadata: MetadataService) -> None:
    with announced(bench.app()) as heard:
        process = worker(bench, metadata)
        bench.send(bench.app(), "work", 1, 12.0)
        wait_for(lambda: bench.lines(what="begin"), 20)
        metadata.found["spot/instance-action"] = "{}"
        wait_for(lambda: "worker_leaving" in bench.worker_log().read_text(), 20)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
        assert wait_for(lambda: reasons(heard), 10) == ["notice"]
    assert bench.done()[0] == 1


def test_elsewhere_than_on_ec2_no_metadata_service_is_asked(bench: Bench, metadata: MetadataService) -> None:
    elsewhere = worker(bench, metadata, ELASTIQ_INSTANCE_ID="local-1")
    metadata.found["spot/instance-action"] = "{}"
    assert worker(bench, metadata).wait(60) == 0
    assert metadata.given == 1
    assert elsewhere.poll() is None


def test_a_cold_shutdown_is_a_failure_and_no_leaving(bench: Bench, metadata: MetadataService) -> None:
    process = worker(bench, metadata)
    bench.send(bench.app(), "work", 1, 30.0)
    wait_for(lambda: bench.lines(what="begin"), 20)
    process.send_signal(signal.SIGQUIT)
    wait_for(lambda: "again will terminate all running tasks" in bench.worker_log().read_text(), 20)
    process.send_signal(signal.SIGQUIT)
    assert process.wait(60) == 1
