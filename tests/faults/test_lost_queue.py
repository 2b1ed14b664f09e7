"""A queue that is emptied under the workers costs time, and no image."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app import aws
from app.domain import new_batch_id
from app.local.registry import Registry
from app.settings import Settings
from app.storage import RESULT, Storage
from tests.support.autoscaler import autoscaler, end_instances, submit, wait_for_event
from tests.support.waiting import wait_for

IMAGES = 100

pytestmark = pytest.mark.slow


def test_a_queue_purged_amid_a_hundred_images_loses_none_and_does_none_twice(
    environment: dict[str, str], tmp_path: Path
) -> None:
    subprocess.run([sys.executable, "-m", "tasks.engine", "build"], env=environment, check=True)
    settings = Settings.from_environment(environment)
    storage, batch = Storage(settings), new_batch_id(datetime.now(UTC), os.urandom(4))
    log, registry = tmp_path / "autoscaler.log", Registry(Path(environment["ELASTIQ_DATA_DIR"]) / "run")

    def results() -> int:
        return sum(name.endswith(RESULT) for name in storage.outcomes(batch))

    submit(environment, IMAGES, batch)
    quick = {"ELASTIQ_MAX_INSTANCES": "1", "ELASTIQ_REPUBLISH_SECONDS": "3", "ELASTIQ_LOG_FORMAT": "json"}
    with autoscaler({**environment, **quick}, log):
        try:
            wait_for(lambda: results() >= 10, what=log.read_text)
            purge(settings, registry)
            lost = IMAGES - results()
            assert lost > 0, "all was done before the queue was purged"
            wait_for(lambda: results() == IMAGES, what=log.read_text)
            (resent,) = wait_for_event(log, "images_republished")
        finally:
            end_instances(registry)
    assert 0 < int(str(resent["republished"])) <= lost
    assert resent["given_up"] == 0
    assert set(done(log.parent).values()) == {1}
    assert len(done(log.parent)) == IMAGES


def purge(settings: Settings, registry: Registry) -> None:
    """Empty the task queue while its workers hold still, so that this comes amid their work."""
    workers = [entry.pid for entry in registry.entries("instance")]
    for pid in workers:
        os.kill(pid, signal.SIGSTOP)
    sqs = aws.client("sqs", settings.aws)
    sqs.purge_queue(QueueUrl=sqs.get_queue_url(QueueName=settings.queue.name)["QueueUrl"])
    for pid in workers:
        os.kill(pid, signal.SIGCONT)


def done(folder: Path) -> Counter[str]:
    """Return how often each image was classified, by what the workers logged of their tasks."""
    found: Counter[str] = Counter()
    for path in folder.rglob("local-*.log"):
        found.update(re.findall(r"succeeded in \S+: \{'key': '([^']+)'", path.read_text()))
    return found
