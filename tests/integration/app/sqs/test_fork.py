"""A process that is forked from one that publishes: nothing of its parent's is in its way."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from tests.support.workers import ROOT, Bench

CHILDREN, EACH = 20, 10
SCRIPT = f"""
import os, sys, threading
from tests.support.sample import app

app.send_task("noop")  # the parent has connections, threads and locks of its own
over, sent = threading.Event(), [0]

def publish():
    while not over.is_set():
        app.send_task("noop")
        sent[0] += 1

threads = [threading.Thread(target=publish) for _ in range(4)]
[thread.start() for thread in threads]
children = []
for _ in range({CHILDREN}):
    child = os.fork()
    if not child:
        for _ in range({EACH}):
            app.send_task("noop", retry=False)
        os._exit(0)
    children.append(child)
ended = [os.waitpid(child, 0)[1] for child in children]
over.set()
[thread.join() for thread in threads]
print(sum(ended), 1 + sent[0] + {CHILDREN * EACH})
"""


@pytest.mark.slow
def test_children_that_are_forked_while_others_publish_publish_each_message_once(bench: Bench) -> None:
    environment = {
        **os.environ,
        "SAMPLE": json.dumps(bench.conf()),
        "SAMPLE_LOG": str(bench.log),
        "PYTHONPATH": str(ROOT),
        "PYTHONWARNINGS": "ignore",
    }
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], env=environment, cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    failed, sent = map(int, done.stdout.split())
    assert failed == 0, done.stderr
    assert bench.depth() == (sent, 0, 0)


def test_a_passive_declaration_finds_a_queue_that_another_process_made(bench: Bench) -> None:
    bench.send(bench.app(), "noop", 3)
    code = (
        "import os; from tests.support.sample import app; "
        "print(app.connection().default_channel.queue_declare(os.environ['QUEUE'], passive=True).message_count)"
    )
    environment: dict[str, Any] = {
        **os.environ, "SAMPLE": json.dumps(bench.conf()), "SAMPLE_LOG": str(bench.log), "QUEUE": bench.name,
    }  # fmt: skip
    done = subprocess.run([sys.executable, "-c", code], env=environment, cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == "3\n", done.stderr
