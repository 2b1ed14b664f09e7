"""A worker's engine is loaded while the rest of it is imported, and what is wrong with it is said all the same."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from tests.support.waiting import wait_for

# What a worker does before Celery is there is seen by who stands in for the module that brings it.
PROGRAM = """
import sys, threading, types
from app.settings import settings
from tasks.worker import beginning

def run_worker(config):
    (loading,) = [thread for thread in threading.enumerate() if thread.name == "engine"]
    loading.join(60)
    return 0

assert "celery" not in sys.modules
release = threading.Event()
loads = []
engine = types.ModuleType("tasks.engine")
engine.load = lambda: (loads.append("celery" in sys.modules), release.wait(60))
sys.modules["tasks.engine"] = engine
import tasks
tasks.engine = engine
lifecycle = types.ModuleType("tasks.worker.lifecycle")
lifecycle.run_worker = lambda config: (release.set(), run_worker(config))[1]
sys.modules["tasks.worker.lifecycle"] = lifecycle
print(beginning.run(settings()), loads)
"""


def test_the_engine_is_being_loaded_before_celery_is_imported() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60)
    assert done.stdout == "0 [False]\n", done.stderr


def test_an_engine_that_cannot_be_loaded_ends_the_worker_with_what_to_do(tmp_path: Path) -> None:
    environment = {**os.environ, "ELASTIQ_MODEL_DIR": str(tmp_path), "AWS_ENDPOINT_URL": "http://127.0.0.1:9"}
    command = [sys.executable, "-m", "app.cli", "worker"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode != 0
    assert "python -m tasks.engine build" in done.stderr
    assert "Exception in thread" not in done.stderr


@contextmanager
def held(models: Path) -> Iterator[subprocess.Popen[str]]:
    """A worker that is held, and has imported what runs a model."""
    environment = {**os.environ, "ELASTIQ_MODEL_DIR": str(models), "AWS_ENDPOINT_URL": "http://127.0.0.1:9"}
    command = [sys.executable, "-m", "app.cli", "worker", "--held"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as process:
        try:
            maps = psutil.Process(process.pid).memory_maps
            wait_for(
                lambda: any("openvino_intel_cpu" in one.path or "libopenvino.so" in one.path for one in maps()), 60
            )
            yield process
        finally:
            process.kill()


def test_a_worker_that_is_held_begins_at_a_line(tmp_path: Path) -> None:
    with held(tmp_path) as process:
        said = process.communicate("\n", 60)
    assert process.returncode not in (0, None)
    assert "python -m tasks.engine build" in said[1]


def test_a_worker_that_is_held_ends_with_its_input_and_has_done_nothing(tmp_path: Path) -> None:
    with held(tmp_path) as process:
        assert process.communicate("", 60) == ("", "")
    assert process.returncode == 0
