"""Reading how deep the queues are: SQS's own three counts, which lag by up to a minute."""

from __future__ import annotations

from collections.abc import Mapping

from botocore.exceptions import ClientError

from app import aws
from app.aws.address import bulk_queue_url, dead_letter_queue_url, task_queue_url
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
    """Reads the depth of the task queue and of the bulk queue; a call for each takes seconds at most.

    Raises, in every call, `ConfigurationError` (no such queue, no right to it) or `TransientError`.

    Args:
        settings: the region, the endpoint and the queues.
        dead_letters: whether it is their dead-letter queue that is read.
    """

    def __init__(self, settings: Settings, *, dead_letters: bool = False) -> None:
        self._sqs = aws.client("sqs", settings.aws, read_timeout_s=5, attempts=2)
        self._settings = queue = settings.queue
        if dead_letters:
            self._addresses = {dead_letter_queue(queue.name): dead_letter_queue_url}
        else:
            self._addresses = {queue.name: task_queue_url, **({queue.bulk: bulk_queue_url} if queue.bulk else {})}
        self._urls: dict[str, str] = {}

    def depth(self) -> QueueDepth:
        """Return what is visible, in flight and delayed, in all of them."""
        return sum(self.depths().values(), QueueDepth(0, 0))

    def depths(self) -> dict[str, QueueDepth]:
        """Return the same of each queue, by its name."""
        return {name: self.depth_of(name) for name in self._addresses}

    def depth_of(self, name: str) -> QueueDepth:
        """Return the depth of one of them."""
        with aws.translated(f"reading the depth of queue {name!r}"):
            try:
                url = self._urls[name] = self._urls.get(name) or self._addresses[name](self._sqs, self._settings)
            except ClientError as err:
                # An account from before there were two has none, and it is made with the first message.
                if name == self._settings.bulk and aws.error_code(err) in aws.NO_QUEUE:
                    return QueueDepth(0, 0)
                raise
            counts = self._sqs.get_queue_attributes(QueueUrl=url, AttributeNames=_COUNTS)["Attributes"]
            return QueueDepth(*(_count(counts, count) for count in _COUNTS))


def _count(counts: Mapping[str, str], name: str) -> int:
    """Return a count. One that is missing or none is an answer that failed, and never a 0."""
    text = str(counts.get(name))
    if not text.isdecimal():
        raise TransientError(f"SQS gives no count as {name}: {text!r}")
    return int(text)
