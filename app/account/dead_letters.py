"""The dead-letter queue: what is in it, sending it back to work, and telling the images' owners."""

from __future__ import annotations

import json
import math
import time
from base64 import b64decode
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from functools import partial
from itertools import islice
from typing import Any

import structlog

from app import aws
from app.aws.address import bulk_queue_url, dead_letter_queue_url, task_queue_url
from app.aws.depth import QueueReader
from app.aws.queues import dead_letter_queue
from app.domain import Failure
from app.errors import TransientError
from app.settings import Settings
from app.sqs import wire
from app.storage import Storage

log = structlog.get_logger(__name__)

BATCH = 10
# What is looked at is hidden until all has been: so long, and longer by what there is. SQS hides 120,000 messages of a
# queue at most, and each for twelve hours: a third of a second for each.
LOOK_S = 60.0
LONGEST_LOOK_S = 12 * 3600.0
HIDDEN_MOST = 120_000
REASON = "gave up after 5 attempts, in which the worker failed or was lost; `elastiq dead-letters redrive` tries again"


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that was received five times and never acknowledged."""

    message_id: str
    task: str
    task_id: str
    key: str
    """The image's; empty when the message is no classification."""
    sent_at: datetime
    body: str
    receipt: str


class DeadLetters:
    """Reads and empties the dead-letter queue that the task queue and the bulk queue share.

    Each call has every dead letter in hand once, ten at a time, and hides it from others until the call has ended.
    Every method raises `ConfigurationError` or `TransientError`.
    """

    def __init__(self, settings: Settings) -> None:
        self._sqs = aws.client("sqs", settings.aws)
        self._depth = QueueReader(settings, dead_letters=True)
        self._queue = settings.queue

    def count(self) -> int:
        """Return how many there are, about."""
        return self._depth.depth().total

    def look(self) -> Iterator[DeadLetter]:
        """Yield them as SQS hands them out, oldest first more or less, and leave them where they are."""
        with self._pass() as looked:
            for page in looked.pages():
                yield from page

    def redrive(self, storage: Storage, wanted: Callable[[DeadLetter], bool] = lambda _: True) -> list[str]:
        """Send the ``wanted`` ones back to be worked on, and take back that their images failed.

        Returns:
            The image's key of each that was sent back.
        """
        sent = []
        with self._pass() as looked:
            for letter in (letter for page in looked.pages() for letter in page if wanted(letter)):
                # In this order nothing is lost wherever it breaks off: at worst the image is done twice.
                if letter.key:
                    storage.forget_failure(letter.key)
                self._send_back(letter, looked)
                sent.append(letter.key)
        return sent

    def report(self, storage: Storage) -> Iterator[DeadLetter]:
        """Leave ``<key>.error.txt`` for each image that is here and has no result; yield those that it was left for.

        An image that no worker has begun with in its last receives has not failed: workers ended with it in hand, and
        it is sent back to work.
        """
        with self._pass() as looked, ThreadPoolExecutor(BATCH, "dead-letters") as pool:
            for page in looked.pages():
                letters = list({letter.key: letter for letter in page if letter.key}.values())
                fates = pool.map(partial(_fate, storage), letters)
                for letter, fate in zip(letters, fates, strict=True):
                    if fate is _Fate.NEVER_BEGUN:
                        self._send_back(letter, looked)
                        ids = {"key": letter.key, "task_id": letter.task_id}
                        log.warning("dead_letter_never_begun", **ids, now="it is sent back to work")
                    elif fate is _Fate.FAILED:
                        storage.save(Failure.of(letter.key, REASON))
                        yield letter

    def _send_back(self, letter: DeadLetter, looked: _Pass) -> None:
        # Behind what people wait for: it has taken five receives already, and may be one of many.
        url = (bulk_queue_url if self._queue.bulk else task_queue_url)(self._sqs, self._queue)
        self._sqs.send_message(QueueUrl=url, MessageBody=letter.body)
        looked.delete(letter)

    @contextmanager
    def _pass(self) -> Iterator[_Pass]:
        with aws.translated(f"reading the dead-letter queue {dead_letter_queue(self._queue.name)!r}"):
            looked = _Pass(self._sqs, dead_letter_queue_url(self._sqs, self._queue), look_s(self.count()))
            try:
                yield looked
            finally:
                looked.release()


class _Fate(Enum):
    HAS_OUTCOME, NEVER_BEGUN, FAILED = range(3)


def _fate(storage: Storage, letter: DeadLetter) -> _Fate:
    """Return what became of a dead letter's image."""
    if storage.outcome(letter.key) is not None:
        return _Fate.HAS_OUTCOME
    return _Fate.FAILED if storage.begun(letter.key) else _Fate.NEVER_BEGUN


def look_s(count: int) -> float:
    """Return how many seconds a look at about ``count`` dead letters may take."""
    return min(LONGEST_LOOK_S, LOOK_S + count * LONGEST_LOOK_S / HIDDEN_MOST)


class _Pass:
    """One look at every message of a queue; what is kept of each is its receipt.

    Args:
        sqs: the client.
        url: the queue.
        look_s: seconds after which what is still hidden comes back by itself.
    """

    def __init__(self, sqs: aws.Client, url: str, look_s: float) -> None:
        self._sqs, self._url = sqs, url
        self._look_s, self._ends_at = look_s, time.monotonic() + look_s
        self._hidden: dict[str, None] = {}

    def pages(self) -> Iterator[list[DeadLetter]]:
        """Yield every message, up to ten at a time.

        Raises:
            TransientError: the look takes too long; the first to be hidden would come again.
        """
        while letters := [_read(message) for message in self._receive()]:
            self._hidden.update(dict.fromkeys(letter.receipt for letter in letters))
            yield letters

    def delete(self, letter: DeadLetter) -> None:
        """Delete a message that has been yielded."""
        self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=letter.receipt)
        del self._hidden[letter.receipt]

    def release(self) -> None:
        """Have the messages seen by others again."""
        receipts = iter(self._hidden)
        while group := list(islice(receipts, BATCH)):
            entries = [
                {"Id": str(n), "ReceiptHandle": receipt, "VisibilityTimeout": 0} for n, receipt in enumerate(group)
            ]
            self._sqs.change_message_visibility_batch(QueueUrl=self._url, Entries=entries)

    def _receive(self) -> list[dict[str, Any]]:
        if len(self._hidden) >= HIDDEN_MOST:
            log.warning("dead_letters_out_of_reach", looked_at=len(self._hidden))
            return []
        # All come back at the same moment, so none comes twice.
        remaining_s = math.ceil(self._ends_at - time.monotonic())
        if remaining_s <= 0:
            raise TransientError(f"not all dead letters could be looked at within {self._look_s:.0f} s")
        answer = self._sqs.receive_message(
            QueueUrl=self._url,
            MaxNumberOfMessages=BATCH,
            VisibilityTimeout=remaining_s,
            WaitTimeSeconds=1,
            MessageSystemAttributeNames=["SentTimestamp"],
        )
        return list(answer.get("Messages", []))


def _read(message: dict[str, Any]) -> DeadLetter:
    try:
        envelope = wire.decode(message["Body"])
        task, id, key = (
            str(envelope["headers"].get("task", "?")),
            str(envelope["headers"].get("id", "")),
            _key(envelope),
        )
    except (ValueError, KeyError, TypeError, IndexError, AttributeError):
        task, id, key = "?", "", ""
    sent_at = datetime.fromtimestamp(int(message["Attributes"]["SentTimestamp"]) / 1000, UTC)
    return DeadLetter(message["MessageId"], task, id, key, sent_at, message["Body"], message["ReceiptHandle"])


def _key(envelope: dict[str, Any]) -> str:
    if envelope["headers"].get("task") != "tasks.classify":
        return ""
    encoded = envelope["properties"].get("body_encoding") == "base64"
    positional, named, _ = json.loads(b64decode(envelope["body"]) if encoded else envelope["body"])
    return str(positional[0] if positional else named["key"])
