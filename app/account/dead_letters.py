"""The dead-letter queue: what is in it, sending it back to work, and telling the images' owners."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from app import aws
from app.aws.address import dead_letter_queue_url, task_queue_url
from app.aws.depth import QueueReader
from app.domain import Failure
from app.settings import Settings
from app.sqs import wire
from app.storage import Storage

BATCH = 10
# Long enough to look at all that one call of ours looks at; then what was not taken is there again.
LOOK_S = 60
REASON = "gave up after 5 attempts, in which the worker failed or was lost; `elastiq dead-letters redrive` tries again"


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that was received five times and never acknowledged."""

    message_id: str
    task: str
    key: str
    """The image's; empty when the message is no classification."""
    sent_at: datetime
    body: str
    receipt: str


class DeadLetters:
    """Reads and empties the dead-letter queue of ``settings.queue.name``.

    Every method raises `ConfigurationError` or `TransientError`.
    """

    def __init__(self, settings: Settings) -> None:
        self._sqs = aws.client("sqs", settings.aws)
        self._depth = QueueReader(settings, dead_letters=True)
        self._settings = settings

    def count(self) -> int:
        """Return how many there are, about."""
        return self._depth.depth().total

    def look(self, most: int = 1000) -> list[DeadLetter]:
        """Return up to ``most`` of them, oldest first, and leave them where they are."""
        letters: dict[str, DeadLetter] = {}
        with self._translated():
            for letter in self._receive():
                letters[letter.message_id] = letter
                if len(letters) >= most:
                    break
            self._release(list(letters.values()))
        return sorted(letters.values(), key=lambda letter: letter.sent_at)

    def redrive(self, storage: Storage, wanted: Callable[[DeadLetter], bool] = lambda _: True) -> list[DeadLetter]:
        """Send the ``wanted`` ones back to the task queue, and take back that their images failed.

        Returns:
            What was sent back.
        """
        sent: list[DeadLetter] = []
        kept: list[DeadLetter] = []
        with self._translated():
            for letter in self._receive():
                if not wanted(letter):
                    kept.append(letter)
                    continue
                # In this order nothing is lost wherever it breaks off: at worst the image is done twice.
                if letter.key:
                    storage.forget_failure(letter.key)
                self._sqs.send_message(QueueUrl=self._url(dead=False), MessageBody=letter.body)
                self._sqs.delete_message(QueueUrl=self._url(dead=True), ReceiptHandle=letter.receipt)
                sent.append(letter)
            self._release(kept)
        return sent

    def report(self, storage: Storage) -> list[Failure]:
        """Leave ``<key>.error.txt`` for each image that is here and has no result; return the new failures."""
        failures = []
        for letter in self.look():
            if letter.key and storage.outcome(letter.key) is None:
                failures.append(Failure.of(letter.key, REASON))
                storage.save(failures[-1])
        return failures

    def _receive(self) -> Iterator[DeadLetter]:
        seen: set[str] = set()
        while True:
            answer = self._sqs.receive_message(
                QueueUrl=self._url(dead=True),
                MaxNumberOfMessages=BATCH,
                VisibilityTimeout=LOOK_S,
                WaitTimeSeconds=1,
                MessageSystemAttributeNames=["SentTimestamp"],
            )
            letters = [_read(message) for message in answer.get("Messages", [])]
            if not letters or seen >= {letter.message_id for letter in letters}:
                return
            seen |= {letter.message_id for letter in letters}
            yield from letters

    def _release(self, letters: list[DeadLetter]) -> None:
        for start in range(0, len(letters), BATCH):
            entries = [
                {"Id": str(n), "ReceiptHandle": letter.receipt, "VisibilityTimeout": 0}
                for n, letter in enumerate(letters[start : start + BATCH])
            ]
            self._sqs.change_message_visibility_batch(QueueUrl=self._url(dead=True), Entries=entries)

    def _url(self, *, dead: bool) -> str:
        return (dead_letter_queue_url if dead else task_queue_url)(self._sqs, self._settings.queue)

    def _translated(self) -> Any:
        return aws.translated(f"reading the dead-letter queue {self._settings.queue.dead_letters!r}")


def _read(message: dict[str, Any]) -> DeadLetter:
    try:
        envelope = wire.decode(message["Body"])
        task, key = str(envelope["headers"].get("task", "?")), _key(envelope)
    except (ValueError, KeyError, TypeError, IndexError, AttributeError):
        task, key = "?", ""
    sent_at = datetime.fromtimestamp(int(message["Attributes"]["SentTimestamp"]) / 1000, UTC)
    return DeadLetter(message["MessageId"], task, key, sent_at, message["Body"], message["ReceiptHandle"])


def _key(envelope: dict[str, Any]) -> str:
    if envelope["headers"].get("task") != "tasks.classify":
        return ""
    encoded = envelope["properties"].get("body_encoding") == "base64"
    positional, named, _ = json.loads(b64decode(envelope["body"]) if encoded else envelope["body"])
    return str(positional[0] if positional else named["key"])
