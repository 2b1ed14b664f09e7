"""Where the task queues and their dead-letter queue are, by what the settings say: addresses, or names to look up."""

from __future__ import annotations

import json

from app.aws.clients import Client
from app.aws.queues import dead_letter_queue
from app.settings import QueueSettings


def task_queue_url(sqs: Client, queue: QueueSettings) -> str:
    """Return the task queue's address: the one that is set, or that of the queue of this name.

    Raises:
        ClientError, BotoCoreError: as by ``sqs``.
    """
    return queue.url or str(sqs.get_queue_url(QueueName=queue.name)["QueueUrl"])


def bulk_queue_url(sqs: Client, queue: QueueSettings) -> str:
    """Return the bulk queue's address, likewise; there is one if ``queue.bulk``.

    Raises:
        ClientError, BotoCoreError: as by ``sqs``.
    """
    return queue.bulk_url or str(sqs.get_queue_url(QueueName=queue.bulk)["QueueUrl"])


def dead_letter_queue_url(sqs: Client, queue: QueueSettings) -> str:
    """Return the address of the task queue's dead-letter queue.

    With the task queue's address set, nothing is looked up by its name: the dead letters go where the queue's redrive
    policy says, and a queue without one is taken to have them beside it, under its name and ``-dead``.

    Raises:
        ClientError, BotoCoreError: as by ``sqs``.
    """
    if not queue.url:
        return str(sqs.get_queue_url(QueueName=dead_letter_queue(queue.name))["QueueUrl"])
    beside, _, name = queue.url.rstrip("/").rpartition("/")
    answer = sqs.get_queue_attributes(QueueUrl=queue.url, AttributeNames=["RedrivePolicy"])
    policy = json.loads(answer.get("Attributes", {}).get("RedrivePolicy", "{}"))
    # SQS has a dead-letter queue in its queue's own region and account: the two addresses differ in their last part.
    return f"{beside}/{policy.get('deadLetterTargetArn', dead_letter_queue(name)).rpartition(':')[2]}"
