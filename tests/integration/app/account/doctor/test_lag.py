"""`elastiq doctor --queue` on a real queue, which is gone afterwards, however it ended."""

from __future__ import annotations

import json
import signal
import subprocess
import sys

import pytest

from app import aws
from app.account.doctor import lag
from app.errors import TransientError
from app.settings import Settings
from tests.support.command import ROOT, elastiq
from tests.support.fault_proxy import FaultProxy


def queues(config: Settings) -> list[str]:
    found = aws.client("sqs", config.aws).list_queues(QueueNamePrefix="elastiq-doctor-").get("QueueUrls", [])
    return [str(url) for url in found]


def test_a_queue_that_counts_at_once_and_keeps_its_order_is_measured_so(environment: dict[str, str]) -> None:
    ended = elastiq("doctor", "--queue", "--seconds", "1", "--json", environment=environment)

    told = json.loads(ended.stdout)
    assert ended.returncode == 0
    assert told["messages"] >= 10
    assert (told["disorder"], told["not_received"]) == (0, 0)
    assert told["lag_p50_s"] <= told["lag_p99_s"]
    assert queues(Settings.from_environment(environment)) == []


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_deletes_its_queue(environment: dict[str, str], how: signal.Signals) -> None:
    command = [sys.executable, "-m", "app.cli", "doctor", "--queue"]
    with subprocess.Popen(command, env=environment, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        said = process.stderr.readline()
        name = said.split()[2].rstrip(",")
        assert [url for url in queues(Settings.from_environment(environment)) if url.endswith(name)]
        process.send_signal(how)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.send_signal(how)  # what comes amid a callback of Python's own, as at an import's end, is lost to it
        assert process.wait(30) == 130, process.stderr.read()
    assert not [url for url in queues(Settings.from_environment(environment)) if url.endswith(name)]


def test_a_call_that_fails_leaves_no_queue_either(environment: dict[str, str], proxy: FaultProxy) -> None:
    proxy.fault("SendMessageBatch", "500")
    settings = Settings.from_environment({**environment, "AWS_ENDPOINT_URL": proxy.endpoint_url})
    with pytest.raises(TransientError):
        lag.measure(settings, 1, lambda step: None)
    assert proxy.calls["DeleteQueue"] == proxy.calls["CreateQueue"] == 1
