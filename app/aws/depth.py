"""Reading how deep a queue is: SQS's own three counts, which lag by up to a minute."""

from __future__ import annotations

from app import aws
from app.domain import QueueDepth
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
        settings: the region and the endpoint.
        queue: the queue's name; the task queue unless told.
    """

    def __init__(self, settings: Settings, queue: str = "") -> None:
        self._sqs = aws.client("sqs", settings.aws, read_timeout_s=5, attempts=2)
        self._queue = queue or settings.queue.name
        self._url = ""

    def depth(self) -> QueueDepth:
        """Return what is visible, in flight and delayed."""
        with aws.translated(f"reading the depth of queue {self._queue!r}"):
            self._url = self._url or self._sqs.get_queue_url(QueueName=self._queue)["QueueUrl"]
            counts = self._sqs.get_queue_attributes(QueueUrl=self._url, AttributeNames=_COUNTS)["Attributes"]
        return QueueDepth(*(int(counts[name]) for name in _COUNTS))
