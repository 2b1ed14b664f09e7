"""The depth of a queue, as SQS counts it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from app import aws
from app.aws.depth import QueueReader
from app.aws.queues import dead_letter_queue
from app.domain import QueueDepth
from app.errors import ConfigurationError, TransientError
from app.settings import Settings
from tests.support.fault_proxy import FaultProxy
from tests.support.world import World, sqs_counts


@pytest.fixture
def sqs(config: Settings) -> Any:
    return aws.client("sqs", config.aws)


def url(sqs: Any, name: str) -> str:
    return str(sqs.get_queue_url(QueueName=name)["QueueUrl"])


def test_each_of_the_three_counts_is_read(config: Settings, sqs: Any) -> None:
    queue = url(sqs, config.queue.name)
    for _ in range(3):
        sqs.send_message(QueueUrl=queue, MessageBody="task")
    for _ in range(3):
        sqs.send_message(QueueUrl=queue, MessageBody="later", DelaySeconds=600)
    sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=1)

    assert QueueReader(config).depth() == QueueDepth(visible=2, in_flight=1, delayed=3)
    assert QueueReader(config, dead_letters=True).depth() == QueueDepth(0, 0, 0)


def test_dead_letters_are_counted_apart(config: Settings, sqs: Any) -> None:
    sqs.send_message(QueueUrl=url(sqs, dead_letter_queue(config.queue.name)), MessageBody="poison")

    assert QueueReader(config, dead_letters=True).depth().visible == 1
    assert QueueReader(config).depth().total == 0


def test_the_address_is_looked_up_once(config: Settings, proxy: FaultProxy) -> None:
    reader = QueueReader(replace(config, aws=replace(config.aws, endpoint_url=proxy.endpoint_url)))

    for _ in range(3):
        reader.depth()

    assert proxy.calls == {"GetQueueUrl": 2, "GetQueueAttributes": 6}, "the task queue's and the bulk queue's"


def test_what_waits_in_the_bulk_queue_counts_and_is_told_apart(config: Settings, sqs: Any) -> None:
    for name, count in ((config.queue.name, 1), (config.queue.bulk, 3)):
        for _ in range(count):
            sqs.send_message(QueueUrl=url(sqs, name), MessageBody="task")

    assert QueueReader(config).depth() == QueueDepth(visible=4, in_flight=0)
    assert [depth.visible for depth in QueueReader(config).depths().values()] == [1, 3]


def test_an_account_from_before_the_bulk_queue_has_nothing_in_it(config: Settings, sqs: Any) -> None:
    sqs.delete_queue(QueueUrl=url(sqs, config.queue.bulk))
    sqs.send_message(QueueUrl=url(sqs, config.queue.name), MessageBody="task")

    assert QueueReader(config).depth() == QueueDepth(visible=1, in_flight=0)


@pytest.mark.parametrize("dead_letters", [False, True])
def test_a_queue_that_is_missing_is_named_with_what_to_run(config: Settings, dead_letters: bool) -> None:
    nowhere = replace(config, queue=replace(config.queue, name="nowhere"))

    with pytest.raises(ConfigurationError, match=r"queue 'nowhere(-dead)?': it does not exist .*elastiq provision"):
        QueueReader(nowhere, dead_letters=dead_letters).depth()


def test_a_count_that_cannot_be_had_now_is_an_error_that_may_pass(config: Settings, proxy: FaultProxy) -> None:
    reader = QueueReader(replace(config, aws=replace(config.aws, endpoint_url=proxy.endpoint_url)))
    proxy.fault("GetQueueAttributes", "503")

    with pytest.raises(TransientError, match=f"depth of queue '{config.queue.name}'"):
        reader.depth()
    assert proxy.calls["GetQueueAttributes"] == 2, "the next look comes soon"
    proxy.mend()
    assert reader.depth().total == 0


@pytest.mark.parametrize("count", ["NaN", "-1", "", "1.5", None], ids=repr)
def test_what_is_no_count_is_an_answer_that_failed_and_never_a_zero(count: str | None) -> None:
    def counts(visible: int, in_flight: int) -> dict[str, str]:
        made = sqs_counts(visible, in_flight)
        made.pop("ApproximateNumberOfMessagesNotVisible")
        return made if count is None else {**made, "ApproximateNumberOfMessagesNotVisible": count}

    with World(counts=counts).connected() as settings, pytest.raises(TransientError, match="NotVisible"):
        QueueReader(settings).depth()
