"""The account that is looked at: its clients and the addresses of what is in it, each asked for when needed first."""

from __future__ import annotations

import uuid

from app import aws
from app.aws.address import bulk_queue_url, dead_letter_queue_url, task_queue_url
from app.aws.queues import arn_of
from app.settings import Settings


class Missing(Exception):
    """What a need is of is not there, which another finding says."""


class Account:
    """The account's clients and addresses, each asked for when it is needed first.

    Args:
        settings: the names, and where AWS is.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._clients: dict[str, aws.Client] = {}
        self.listener_name = f"{settings.queue.listener_prefix}doctor-{uuid.uuid4().hex[:8]}"
        self._listener: str | None = None

    def client(self, service: str) -> aws.Client:
        """Return the client of a service."""
        if service not in self._clients:
            self._clients[service] = aws.client(service, self.settings.aws, read_timeout_s=5, attempts=2)
        return self._clients[service]

    @property
    def tasks(self) -> str:
        """Return the task queue's address."""
        return task_queue_url(self.client("sqs"), self.settings.queue)

    @property
    def bulk(self) -> str:
        """Return the bulk queue's address."""
        return bulk_queue_url(self.client("sqs"), self.settings.queue)

    @property
    def dead(self) -> str:
        """Return the dead-letter queue's address."""
        return dead_letter_queue_url(self.client("sqs"), self.settings.queue)

    @property
    def topic(self) -> str:
        """Return the topic's ARN, which is in the queue's account."""
        queue = self.settings.queue
        if queue.topic_arn:
            return queue.topic_arn
        sqs = self.client("sqs")
        arn = arn_of(lambda action, **parameters: getattr(sqs, action)(**parameters), self.tasks)
        return ":".join([*arn.split(":")[:-1], queue.topic]).replace(":sqs:", ":sns:", 1)

    @property
    def listener(self) -> str:
        """Return the address of the queue that `make_listener` made.

        Raises:
            Missing: there is none.
        """
        if self._listener is None:
            raise Missing
        return self._listener

    def make_listener(self) -> None:
        """Make a queue as a process that hears events does."""
        made = self.client("sqs").create_queue(
            QueueName=self.listener_name, Attributes={"MessageRetentionPeriod": "60"}
        )
        self._listener = str(made["QueueUrl"])

    def delete_listener(self) -> None:
        """Delete it.

        Raises:
            Missing: there is none.
        """
        self.client("sqs").delete_queue(QueueUrl=self.listener)
        self._listener = None
