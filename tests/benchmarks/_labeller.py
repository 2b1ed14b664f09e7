"""Labels for what is queued, without a model: they are stored and announced as workers do it, ten at a time."""

from __future__ import annotations

import base64
import json
import threading
from contextlib import suppress

from app import aws
from app.announcements import ImageClassified
from app.domain import Classification, Prediction
from tests.support.fleet import Announcer, announcer
from tests.support.web import Site

LABELS = [f"label {n}" for n in range(200)]


class Labeller:
    """Gives each image that is queued a label, and announces it, in a thread of its own."""

    def __init__(self, site: Site) -> None:
        self._site, self._stop = site, threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._sqs = aws.client("sqs", site.config.aws)
        names = (site.config.queue.name, site.config.queue.bulk)
        self._urls = [self._sqs.get_queue_url(QueueName=name)["QueueUrl"] for name in names]

    def __enter__(self) -> Labeller:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        with announcer(self._site.config) as say:
            while not self._stop.is_set():
                if not sum(self._work_on(url, say) for url in self._urls):
                    self._stop.wait(0.2)

    def _work_on(self, url: str, say: Announcer) -> int:
        """Label what is received at once; return how many that was."""
        found = self._sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=0)
        messages = found.get("Messages", [])
        if messages:
            said = [self._label(_key(message["Body"])) for message in messages]
            with suppress(AssertionError):  # an event that is late costs the page a look into the buckets
                say.say_all(said, "worker@benchmark")
            done = [{"Id": str(n), "ReceiptHandle": one["ReceiptHandle"]} for n, one in enumerate(messages)]
            self._sqs.delete_message_batch(QueueUrl=url, Entries=done)
        return len(messages)

    def _label(self, key: str) -> ImageClassified:
        at = hash(key) % len(LABELS)
        label, score = LABELS[at * at // len(LABELS)], 0.2 + (hash(key) % 797) / 1000
        others = [Prediction(LABELS[n], (1 - score) / 4) for n in range(4)]
        outcome = Classification.of(key, [Prediction(label, score), *others], "none")
        self._site.storage.save(outcome)
        return ImageClassified(outcome)


def _key(body: str) -> str:
    """Return the key of a message of the task queue."""
    envelope = json.loads(base64.b64decode(body)) if not body.startswith("{") else json.loads(body)
    arguments = json.loads(base64.b64decode(envelope["body"]))
    return str(arguments[0][0])
