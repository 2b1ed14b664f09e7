"""Dead letters: their images' owners are told, and they can be sent back to work."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime
from typing import Any

import pytest

from app import aws
from app.account.dead_letters import DeadLetters
from app.domain import Classification, Failure, Prediction
from app.settings import Settings
from app.storage import Storage
from autoscaler.sweep.rounds import Sweep
from tasks.celery import CLASSIFY, make_app
from tests.support.waiting import wait_for

KEY = "batch/photo of a cat.jpg"


@pytest.fixture
def sqs(config: Settings) -> Any:
    return aws.client("sqs", config.aws)


def bury(config: Settings, sqs: Any, send: Any) -> None:
    """Send a message and let it be received five times without an acknowledgement; SQS then moves it."""
    send()
    url = sqs.get_queue_url(QueueName=config.queue.name)["QueueUrl"]
    for _ in range(6):
        sqs.receive_message(QueueUrl=url, VisibilityTimeout=0, WaitTimeSeconds=1)
    wait_for(lambda: DeadLetters(config).count() == 1, 10)


def sweep(config: Settings) -> None:
    """Make one round."""
    Sweep(config, make_app(config)).round(0, datetime.now(UTC))


@pytest.fixture
def buried(config: Settings, sqs: Any) -> Settings:
    """One classification among the dead letters."""
    bury(config, sqs, lambda: make_app(config).send_task(CLASSIFY, (KEY,)))
    return config


def test_a_look_tells_the_image_and_leaves_the_letter(buried: Settings) -> None:
    for _ in range(2):
        (letter,) = DeadLetters(buried).look()
        assert (letter.task, letter.key) == (CLASSIFY, KEY)


def test_the_sweep_leaves_a_failure_with_a_reason_once(buried: Settings) -> None:
    sweep(buried)
    outcome = Storage(buried).outcome(KEY)
    assert isinstance(outcome, Failure)
    assert "gave up after 5 attempts" in outcome.reason
    assert DeadLetters(buried).report(Storage(buried)) == []


def test_an_image_that_has_a_result_all_the_same_is_not_reported(buried: Settings) -> None:
    done = Classification.of(KEY, [Prediction("cat", 0.9)], "model")
    Storage(buried).save(done)
    sweep(buried)
    assert Storage(buried).outcome(KEY) == done


def test_redrive_sends_the_letter_back_and_takes_the_failure_back(buried: Settings, sqs: Any) -> None:
    storage = Storage(buried)
    dead = DeadLetters(buried)
    dead.report(storage)
    assert [letter.key for letter in dead.redrive(storage, lambda letter: letter.key == "another")] == []
    assert [letter.key for letter in dead.redrive(storage)] == [KEY]
    assert dead.count() == 0
    assert storage.outcome(KEY) is None
    url = sqs.get_queue_url(QueueName=buried.queue)["QueueUrl"]
    assert len(sqs.receive_message(QueueUrl=url, WaitTimeSeconds=1)["Messages"]) == 1


def test_what_is_no_classification_is_listed_and_harms_nobody(config: Settings, sqs: Any) -> None:
    url = sqs.get_queue_url(QueueName=config.queue.name)["QueueUrl"]
    bury(config, sqs, lambda: sqs.send_message(QueueUrl=url, MessageBody="<script>"))
    sweep(config)
    (letter,) = DeadLetters(config).look()
    assert (letter.task, letter.key, letter.body) == ("?", "", "<script>")


def test_the_command_lists_and_redrives(buried: Settings, environment: dict[str, str]) -> None:
    def elastiq(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "app.cli", "dead-letters", *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)

    listed = elastiq("list", "--json")
    assert json.loads(listed.stdout)["key"] == KEY
    missing = elastiq("redrive", "nobody's")
    assert (missing.returncode, missing.stderr) == (1, "not among the dead letters: nobody's\n")
    assert elastiq("redrive", KEY).stdout == f"1 sent back to {buried.queue}\n"
    assert elastiq("list").stdout == ""
