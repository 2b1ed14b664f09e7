"""One image, followed through every tier: as one trace of OpenTelemetry's, and by one word in all logs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.account.provision import provision
from app.domain import new_batch_id
from app.local import EmbeddedCloud
from app.settings import Settings
from tests.conftest import models
from tests.support.collector import Collector, Span
from tests.support.photographs import chelsea
from tests.support.records import whole_lines
from tests.support.waiting import wait_for
from tests.support.web import ROOT, Site


@dataclass(frozen=True, slots=True)
class Run:
    """What a run of a web tier, a worker and an autoscaler has left: the spans, and each one's log.

    ``keys`` are of one upload: an image, one that is broken, and one more. ``lost`` had no message until the sweep.
    """

    spans: list[Span]
    logs: dict[str, list[str]]
    keys: list[str]
    lost: str

    def find(self, key: str, name: str) -> Span:
        """Return the one span of this name in the trace of the task of ``key``, under that task or above it."""
        task = next(s for s in self.spans if s.name == "run/tasks.classify" and s.attributes["elastiq.key"] == key)
        if name == task.name:
            return task
        (found,) = [
            span
            for span in self.spans
            if span.name == name
            and (span.parent == task.id or (span.parent == task.parent and span.attributes.get("elastiq.key") == key))
        ]
        return found


@pytest.fixture(scope="module")
def run(cloud: EmbeddedCloud, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    folder, name = tmp_path_factory.mktemp("traced"), uuid.uuid4().hex[:8]
    with Collector() as collector:
        environment = {
            **os.environ,
            **cloud.environment,
            "ELASTIQ_INPUT_BUCKET": f"in-{name}",
            "ELASTIQ_OUTPUT_BUCKET": f"out-{name}",
            "ELASTIQ_QUEUE": f"tasks-{name}",
            "ELASTIQ_DATA_DIR": str(folder),
            "ELASTIQ_MODEL_DIR": str(models()),
            "ELASTIQ_LOG_FORMAT": "json",
            "ELASTIQ_WATCH_ONLY": "1",
            "ELASTIQ_REPUBLISH_SECONDS": "1",
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
            # No span comes before its process ends, unless the end brings it.
            "OTEL_BSP_SCHEDULE_DELAY": "3600000",
        }
        provision(Settings.from_environment(environment))
        site = Site(environment, folder / "web.log").start()
        others = {tier: _start(tier, environment, folder / f"{tier}.log") for tier in ("worker", "autoscaler")}
        try:
            files = [("cat.png", chelsea()), ("broken.png", _broken()), ("other.png", chelsea())]
            batch = site.upload(*files)
            lost = f"{new_batch_id(datetime.now(UTC), b'lost')}/lost.png"
            site.storage.put_image(lost, chelsea(), "image/png")
            keys = [image["key"] for image in batch["images"]]
            wait_for(lambda: all(map(site.storage.outcome, [*keys, lost])), what=lambda: _said(folder))
        finally:
            for process in others.values():
                process.send_signal(signal.SIGTERM)
            statuses = [site.stop(), *(process.wait(30) for process in others.values())]
        assert statuses == [0, 0, 0], _said(folder)
        yield Run(collector.spans, {log.stem: whole_lines(log) for log in folder.glob("*.log")}, keys, lost)


def test_one_trace_leads_from_the_upload_to_what_was_announced(run: Run) -> None:
    key = run.keys[0]
    task = run.find(key, "run/tasks.classify")
    (upload,) = [span for span in run.spans if span.name == "POST /api/batches"]
    (queued,) = [span for span in run.spans if span.name == "queued" and span.trace == upload.trace]

    assert (upload.service, upload.parent) == ("elastiq-web", "")
    assert (queued.service, queued.parent) == ("elastiq-web", upload.id)
    assert (task.service, task.trace, task.parent) == ("elastiq-worker", upload.trace, queued.id)
    steps = ["waited in the queue", "waited in the worker", "fetched", "decoded", "run", "stored", "announced"]
    begun = [run.find(key, step).begun_at for step in steps]
    assert begun == sorted(begun)
    assert all(run.find(key, step).trace == upload.trace and not run.find(key, step).failed for step in steps)


def test_what_is_asked_of_s3_is_part_of_what_asks(run: Run) -> None:
    key = run.keys[0]
    by_id = {span.id: span for span in run.spans}
    calls = {
        (by_id[span.parent].name, span.name)
        for span in run.spans
        if span.name.startswith("S3 ") and key in span.attributes["elastiq.key"]
    }
    assert {("POST /api/batches", "S3 PutObject"), ("fetched", "S3 GetObject"), ("stored", "S3 PutObject")} <= calls


def test_all_images_of_an_upload_are_in_its_trace_and_a_broken_one_shows_where_it_broke(run: Run) -> None:
    tasks = [run.find(key, "run/tasks.classify") for key in run.keys]

    assert len({task.trace for task in tasks}) == 1
    assert len({task.id for task in tasks}) == 3
    assert run.find(run.keys[1], "decoded").failed
    assert not [s for s in run.spans if s.name == "run" and s.parent == tasks[1].id]


def test_a_lost_image_s_trace_begins_with_the_sweep(run: Run) -> None:
    task = run.find(run.lost, "run/tasks.classify")
    again = next(span for span in run.spans if span.id == task.parent)

    assert (again.service, again.name, again.parent) == ("elastiq-autoscaler", "published again", "")


def test_nothing_that_looks_again_and_again_makes_a_trace(run: Run) -> None:
    first = {span.name for span in run.spans if not span.parent}

    assert first <= {"POST /api/batches", "published again"}


@pytest.mark.parametrize("which", [0, 1])
def test_one_grep_for_a_key_finds_each_step_in_every_tier_s_log_and_the_trace(run: Run, which: int) -> None:
    key = run.keys[which]
    web, worker = (_grep(run.logs[tier], key) for tier in ("web", "worker"))
    trace = run.find(key, "run/tasks.classify").trace

    assert "images_queued" in web
    assert "received" in worker
    assert ("succeeded" if which == 0 else "image_failed") in worker
    assert trace in web
    assert trace in worker


def test_one_grep_for_a_task_finds_the_same(run: Run) -> None:
    id = run.find(run.keys[0], "run/tasks.classify").attributes["messaging.message.id"]

    assert "images_queued" in _grep(run.logs["web"], id)
    assert "received" in _grep(run.logs["worker"], id)
    assert "succeeded" in _grep(run.logs["worker"], id)


def test_one_grep_finds_what_the_sweep_did_with_a_lost_image(run: Run) -> None:
    assert "images_queued" in _grep(run.logs["autoscaler"], run.lost)
    assert "succeeded" in _grep(run.logs["worker"], run.lost)
    id = run.find(run.lost, "run/tasks.classify").attributes["messaging.message.id"]
    assert run.lost in _grep(run.logs["autoscaler"], id)


def _broken() -> bytes:
    """Return a picture whose pixels cannot be decoded, which its structure does not tell."""
    data = bytearray(chelsea())
    data[5000:5400] = bytes(400)
    return bytes(data)


def _grep(lines: list[str], word: str) -> str:
    return "\n".join(line for line in lines if word in line)


def _start(tier: str, environment: dict[str, str], log: Path) -> subprocess.Popen[bytes]:
    with log.open("wb") as out:
        command = [sys.executable, "-m", "app.cli", tier]
        return subprocess.Popen(command, env={**environment, "PYTHONPATH": str(ROOT)}, cwd=ROOT, stdout=out, stderr=out)


def _said(folder: Path) -> str:
    return "\n".join(f"{log}:\n{log.read_text()}" for log in folder.glob("*.log"))
