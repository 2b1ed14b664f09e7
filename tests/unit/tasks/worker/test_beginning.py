"""A worker's engine is loaded while the rest of it is imported, and what is wrong with it is said all the same."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

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
