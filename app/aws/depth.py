"""Reading how deep a queue is: SQS's own three counts, which lag by up to a minute."""

from __future__ import annotations

from collections.abc import Mapping

from app import aws
from app.aws.address import dead_letter_queue_url, task_queue_url
from app.aws.queues import dead_letter_queue
from app.domain import QueueDepth
from app.errors import TransientError
from app.settings import Settings

_COUNTS = [
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
]


class QueueReader:
    """Reads the depth of one queue; a call takes seconds at most.

    Raises, in every call, `ConfigurationError` (no such queue, no right to it) or `TransientError`.

    Args:
        settings: the region, the endpoint and the task queue.
        dead_letters: whether it is the task queue's dead-letter queue that is read.
    """

    def __init__(self, settings: Settings, *, dead_letters: bool = False) -> None:
        self._sqs = aws.client("sqs", settings.aws, read_timeout_s=5, attempts=2)
        self._settings = settings.queue
        self._address = dead_letter_queue_url if dead_letters else task_queue_url
        self._name = dead_letter_queue(settings.queue.name) if dead_letters else settings.queue.name
        self._url = ""

    def depth(self) -> QueueDepth:
        """Return what is visible, in flight and delayed."""
        with aws.translated(f"reading the depth of queue {self._name!r}"):
            self._url = self._url or self._address(self._sqs, self._settings)
            counts = self._sqs.get_queue_attributes(QueueUrl=self._url, AttributeNames=_COUNTS)["Attributes"]
            return QueueDepth(*(_count(counts, name) for name in _COUNTS))


def _count(counts: Mapping[str, str], name: str) -> int:
    """Return a count. One that is missing or none is an answer that failed, and never a 0."""
    text = str(counts.get(name))
    if not text.isdecimal():
        raise TransientError(f"SQS gives no count as {name}: {text!r}")
    return int(text)
