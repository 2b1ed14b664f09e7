"""Shipping a host's journal to CloudWatch Logs: whole, in order, bounded, and to the last line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app import aws
from app.errors import TransientError
from app.host.ship import ALIVE_S, MOST_WAITING, Line, Pulse, Shipper, Waiting, read_line
from app.local import EmbeddedCloud
from app.settings import AwsSettings
from tests.support.clock import Clock
from tests.support.fault_proxy import FaultProxy
from tests.support.waiting import wait_for

GROUP = "/elastiq/hosts"
NOW_MS = 1_790_000_000_000


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedCloud]:
    cloud = EmbeddedCloud(tmp_path_factory.mktemp("cloud"), services="logs")
    cloud.start()
    yield cloud
    cloud.stop()


@pytest.fixture
def client(cloud: EmbeddedCloud) -> Any:
    client = aws.client("logs", AwsSettings("eu-central-1", cloud.endpoint_url))
    if not client.describe_log_groups(logGroupNamePrefix=GROUP)["logGroups"]:
        client.create_log_group(logGroupName=GROUP)
    return client


def entry(number: int, message: object, at_ms: int | None = None) -> str:
    """Return a line of the journal."""
    at = (at_ms or _now_ms()) * 1000
    told = {"__REALTIME_TIMESTAMP": str(at), "MESSAGE": message, "_SYSTEMD_UNIT": "elastiq-web.service"}
    return json.dumps({**told, "__CURSOR": f"at-{number}"})


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def shipped(client: Any, stream: str) -> list[str]:
    """Return what is in a stream."""
    try:
        events = client.get_log_events(logGroupName=GROUP, logStreamName=stream, startFromHead=True)["events"]
    except client.exceptions.ResourceNotFoundException:
        return []
    return [event["message"] for event in events]


def test_a_line_that_is_json_goes_as_it_is_and_another_under_its_unit_s_name() -> None:
    assert read_line(entry(1, '{"event": "x"}', NOW_MS)) == Line(NOW_MS, '{"event": "x"}', "at-1")
    assert read_line(entry(2, "Killed", NOW_MS)) == Line(NOW_MS, "elastiq-web.service: Killed", "at-2")
    assert read_line(entry(3, list(b"\xff ok"), NOW_MS)) == Line(NOW_MS, "elastiq-web.service: \ufffd ok", "at-3")


@pytest.mark.parametrize(
    "raw", ["", "no JSON", "[]", "{}", '{"__REALTIME_TIMESTAMP": "x"}', entry(1, " "), entry(1, None)]
)
def test_what_says_nothing_is_passed_over(raw: str) -> None:
    assert read_line(raw) is None


def test_a_line_that_is_longer_than_cloudwatch_takes_is_cut() -> None:
    line = read_line(entry(1, "ä" * 500_000))

    assert line is not None
    assert line.size < 256_000


def test_what_waits_is_bounded_and_the_loss_is_told() -> None:
    waiting = Waiting(most=3)
    for number in range(5):
        waiting.add(Line(NOW_MS + number, str(number)))

    texts = [line.text for line in waiting.batch()]

    assert texts == ['{"event": "log_lines_dropped", "lines": 2}', "2", "3", "4"]
    assert MOST_WAITING > 1000


def test_a_batch_is_no_larger_than_a_call_takes() -> None:
    waiting = Waiting()
    for _ in range(10):
        waiting.add(Line(NOW_MS, "x" * 190_000))

    sizes = []
    while batch := waiting.batch():
        sizes.append(sum(line.size for line in batch))

    assert len(sizes) == 2
    assert max(sizes) <= 1_048_576


def test_lines_that_could_not_be_shipped_wait_on_in_their_order(cloud: EmbeddedCloud, client: Any) -> None:
    with FaultProxy(cloud.endpoint_url) as proxy:
        broken = aws.client("logs", AwsSettings("eu-central-1", "http://127.0.0.1:9"), attempts=1)
        waiting, cursors = Waiting(), list[str]()
        for number in range(3):
            waiting.add(Line(_now_ms() + number, f"line {number}", f"at-{number}"))
        with pytest.raises(TransientError):
            Shipper(broken, GROUP, "s-waits", waiting, cursors.append).step()
        assert not cursors

        through = aws.client("logs", AwsSettings("eu-central-1", proxy.endpoint_url))
        Shipper(through, GROUP, "s-waits", waiting, cursors.append).step()

    assert shipped(client, "s-waits") == ["line 0", "line 1", "line 2"]
    assert cursors == ["at-2"]


def test_processes_that_live_are_told_and_those_that_do_not_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "alive").touch()

    targets = {"autoscaler": str(tmp_path / "alive"), "web": "http://127.0.0.1:9/"}
    told = [json.loads(line) for line in Pulse(targets).look()]

    assert told[0] == {"event": "alive", "process": "autoscaler", "reason": ""}
    assert (told[1]["event"], told[1]["process"]) == ("not_alive", "web")
    assert "refused" in told[1]["reason"]


def test_a_process_is_told_of_each_minute_and_as_soon_as_it_comes_to_life(tmp_path: Path) -> None:
    clock, file = Clock(0.0), tmp_path / "alive"
    pulse = Pulse({"web": str(file)}, clock)

    def told() -> list[str]:
        return [json.loads(line)["event"] for line in pulse.look()]

    assert [told(), told()] == [["not_alive"], []]
    file.touch()
    assert [told(), told()] == [["alive"], []]
    clock.now += ALIVE_S
    assert [told(), told()] == [["alive"], []]
    file.unlink()
    clock.now += ALIVE_S
    assert [told(), told()] == [["not_alive"], []]


def test_the_command_ships_what_the_journal_says_and_at_its_stop_the_last_lines(
    cloud: EmbeddedCloud, client: Any, tmp_path: Path
) -> None:
    journal = tmp_path / "journal"
    first, last = tmp_path / "first", tmp_path / "last"
    first.write_text(entry(1, '{"event": "first"}') + "\n")
    journal.write_text(f"#!/bin/sh\ntrap 'cat {last}; exit' TERM\ncat {first}\nwhile :; do sleep 0.1; done\n")
    journal.chmod(0o755)
    last.write_text(entry(2, '{"event": "last"}') + "\n")
    command = [sys.executable, "-m", "app.host.ship", "--group", GROUP, "--stream", "s-command"]
    command += ["--cursor", str(tmp_path / "cursor"), "--journal", str(journal), f"worker={tmp_path / 'none'}"]
    environment = {**os.environ, **cloud.environment, "AWS_REGION": "eu-central-1"}

    process = subprocess.Popen(command, env=environment)
    try:
        wait_for(lambda: '{"event": "first"}' in shipped(client, "s-command"), 30)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    finally:
        process.kill()

    texts = shipped(client, "s-command")
    assert '{"event": "last"}' in texts
    assert any('"not_alive"' in text for text in texts)
    assert (tmp_path / "cursor").read_text() == "at-2"
