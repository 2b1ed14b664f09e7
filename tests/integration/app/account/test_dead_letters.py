"""Dead letters: their images' owners are told, and they can be sent back to work."""

from __future__ import annotations

import json
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from structlog.testing import capture_logs

from app import aws
from app.account import dead_letters
from app.account.dead_letters import LONGEST_LOOK_S, DeadLetters, look_s
from app.aws.queues import dead_letter_queue
from app.domain import Classification, Failure, Prediction
from app.errors import TransientError
from app.settings import Settings
from app.sqs import bulk, wire
from app.storage import Storage
from autoscaler.sweep.rounds import Sweep
from tasks.celery import CLASSIFY, make_app
from tests.support.command import elastiq
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
    """One classification among the dead letters; a worker had begun with it."""
    Storage(config).mark_begun(KEY)
    bury(config, sqs, lambda: make_app(config).send_task(CLASSIFY, (KEY,)))
    return config


def fill(config: Settings, count: int) -> set[str]:
    """Put classifications straight into the dead-letter queue; return their images' keys."""
    keys = {f"batch/{number}.jpg" for number in range(count)}
    app = make_app(replace(config, queue=replace(config.queue, name=dead_letter_queue(config.queue.name))))
    with bulk():
        for key in keys:
            app.send_task(CLASSIFY, (key,), ignore_result=True)
    return keys


def test_a_look_tells_the_image_and_leaves_the_letter(buried: Settings) -> None:
    for _ in range(2):
        (letter,) = DeadLetters(buried).look()
        assert (letter.task, letter.key) == (CLASSIFY, KEY)
        assert letter.task_id == wire.decode(letter.body)["headers"]["id"]


def test_the_sweep_leaves_a_failure_with_a_reason_once(buried: Settings) -> None:
    sweep(buried)
    outcome = Storage(buried).outcome(KEY)
    assert isinstance(outcome, Failure)
    assert "gave up after 5 attempts" in outcome.reason
    assert list(DeadLetters(buried).report(Storage(buried))) == []


def test_an_image_that_has_a_result_all_the_same_is_not_reported(buried: Settings) -> None:
    done = Classification.of(KEY, [Prediction("cat", 0.9)], "model")
    Storage(buried).save(done)
    sweep(buried)
    assert Storage(buried).outcome(KEY) == done


def test_redrive_sends_the_letter_back_and_takes_the_failure_back(buried: Settings, sqs: Any) -> None:
    storage = Storage(buried)
    dead = DeadLetters(buried)
    assert [letter.key for letter in dead.report(storage)] == [KEY]
    assert dead.redrive(storage, lambda letter: letter.key == "another") == []
    assert dead.redrive(storage) == [KEY]
    assert dead.count() == 0
    assert storage.outcome(KEY) is None
    url = sqs.get_queue_url(QueueName=buried.queue.bulk)["QueueUrl"]
    assert len(sqs.receive_message(QueueUrl=url, WaitTimeSeconds=1)["Messages"]) == 1


def test_what_is_no_classification_is_listed_and_harms_nobody(config: Settings, sqs: Any) -> None:
    url = sqs.get_queue_url(QueueName=config.queue.name)["QueueUrl"]
    bury(config, sqs, lambda: sqs.send_message(QueueUrl=url, MessageBody="<script>"))
    sweep(config)
    (letter,) = DeadLetters(config).look()
    assert (letter.task, letter.key, letter.body) == ("?", "", "<script>")


def test_the_command_lists_and_redrives(buried: Settings, environment: dict[str, str]) -> None:
    def letters(*arguments: str) -> subprocess.CompletedProcess[str]:
        return elastiq("dead-letters", *arguments, environment=environment)

    listed = letters("list", "--json")
    assert json.loads(listed.stdout)["key"] == KEY
    missing = letters("redrive", "nobody's")
    assert (missing.returncode, missing.stderr) == (1, "not among the dead letters: nobody's\n")
    assert letters("redrive", KEY).stdout == f"1 sent back to {buried.queue.bulk}\n"
    assert letters("list").stdout == ""


def test_an_image_that_no_worker_had_begun_with_is_sent_back_to_work(config: Settings, sqs: Any) -> None:
    bury(config, sqs, lambda: make_app(config).send_task(CLASSIFY, (KEY,)))
    sweep(config)
    assert Storage(config).outcome(KEY) is None
    assert DeadLetters(config).count() == 0
    url = sqs.get_queue_url(QueueName=config.queue.bulk)["QueueUrl"]
    assert len(sqs.receive_message(QueueUrl=url, WaitTimeSeconds=1)["Messages"]) == 1


def test_every_owner_is_told_however_many_dead_letters_there_are(config: Settings) -> None:
    keys = fill(config, 1100)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(Storage(config).mark_begun, keys))
    assert {letter.key for letter in DeadLetters(config).report(Storage(config))} == keys


def test_a_look_has_every_letter_once_and_the_next_look_again(config: Settings) -> None:
    keys = fill(config, 1100)
    for _ in range(2):
        assert sorted(letter.key for letter in DeadLetters(config).look()) == sorted(keys)


def test_a_look_that_breaks_off_hides_nothing(config: Settings) -> None:
    keys = fill(config, 30)
    dead = DeadLetters(config)
    look = dead.look()
    seen = {next(look).key for _ in range(15)}
    look.close()
    assert len(seen) == 15
    assert {letter.key for letter in dead.look()} == keys


def test_what_is_sent_back_is_wanted_and_the_rest_stays(config: Settings, sqs: Any) -> None:
    keys = fill(config, 25)
    dead = DeadLetters(config)
    wanted = {key for key in keys if key.endswith("2.jpg")}
    assert set(dead.redrive(Storage(config), lambda letter: letter.key in wanted)) == wanted
    assert {letter.key for letter in dead.look()} == keys - wanted


@pytest.mark.parametrize(
    ("count", "seconds"), [(0, 60), (1000, 420), (120_000, LONGEST_LOOK_S), (10**9, LONGEST_LOOK_S)]
)
def test_a_look_may_take_longer_the_more_there_is_to_look_at(count: int, seconds: float) -> None:
    assert look_s(count) == pytest.approx(seconds)


def test_a_look_that_takes_too_long_says_so(buried: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dead_letters, "LONGEST_LOOK_S", 0.0)
    with pytest.raises(TransientError, match="not all dead letters could be looked at"):
        list(DeadLetters(buried).look())


def test_letters_beyond_what_sqs_lets_be_hidden_are_warned_of(
    config: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dead_letters, "HIDDEN_MOST", 20)
    fill(config, 30)
    with capture_logs() as logs:
        assert len(list(DeadLetters(config).look())) == 20
    assert [(entry["event"], entry["looked_at"]) for entry in logs] == [("dead_letters_out_of_reach", 20)]
