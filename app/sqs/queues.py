"""Task queues by name: their addresses, and the making of those that are missing. Listeners' have another home."""

from __future__ import annotations

import hashlib
import json
import re
import threading

from kombu.log import get_logger

from app.aws.queues import QueuePlan, dead_letter_queue, make_queue
from app.sqs.api import Api
from app.sqs.errors import QueueMissing, Refused, Unavailable
from app.sqs.options import Options

logger = get_logger("app.sqs")

LONGEST_NAME = 80


class Queues:
    """Finds queues, and makes those that may be made.

    Only `url` raises: `Unavailable` or `Refused` (no right, or a queue that is missing from ``predefined_queues``).
    """

    def __init__(self, api: Api, options: Options) -> None:
        self._api, self._options = api, options
        self._urls = {name: str(queue["url"]) for name, queue in options.predefined_queues.items()}
        self._most_receives: dict[str, int | None] = {}
        self._lock = threading.RLock()

    def url(self, name: str) -> str:
        """Return a task queue's address; the queue and its dead-letter queue are made if they are missing."""
        with self._lock:
            url = self._urls.get(name)
            if url is None:
                url = self._urls[name] = self._find(sqs_name(self._options.queue_name_prefix + name), name)
            return url

    def exists(self, name: str) -> bool:
        """Return whether there is a queue of this name; none is made."""
        with self._lock:
            if name in self._urls:
                return True
        if self._options.predefined_queues:
            return False
        try:
            self._api.sqs("get_queue_url", QueueName=sqs_name(self._options.queue_name_prefix + name))
        except QueueMissing:
            return False
        return True

    def forget(self, name: str) -> None:
        """Look the queue up anew at the next call: it was deleted."""
        with self._lock:
            if name not in self._options.predefined_queues:
                self._urls.pop(name, None)

    def most_receives(self, url: str) -> int | None:
        """Return after how many receives a message of the queue is a dead letter; None where none ever is.

        What cannot be known is taken to be ``max_receive_count``.
        """
        with self._lock:
            if url not in self._most_receives:
                try:
                    answer = self._api.sqs("get_queue_attributes", QueueUrl=url, AttributeNames=["RedrivePolicy"])
                except (Unavailable, Refused):
                    return self._options.max_receive_count
                policy = json.loads(answer.get("Attributes", {}).get("RedrivePolicy", "{}"))
                self._most_receives[url] = int(policy["maxReceiveCount"]) if "maxReceiveCount" in policy else None
            return self._most_receives[url]

    def _find(self, physical: str, name: str) -> str:
        if self._options.predefined_queues:
            known = ", ".join(sorted(self._options.predefined_queues))
            raise Refused(f"queue {name!r} is not in predefined_queues ({known})")
        try:
            return str(self._api.sqs("get_queue_url", QueueName=physical)["QueueUrl"])
        except QueueMissing:
            plan = self._plan(physical)
            url = make_queue(self._api.sqs, physical, plan)
            logger.info("queue_made name=%s dead_letters=%s", physical, plan.dead_letters)
            return url

    def _plan(self, physical: str) -> QueuePlan:
        given, dead = self._options, dead_letter_queue(physical)
        # A FIFO queue's dead letters can go to a FIFO queue alone.
        if given.dead_letter_queue and physical.endswith(".fifo") == given.dead_letter_queue.endswith(".fifo"):
            dead = sqs_name(given.queue_name_prefix + given.dead_letter_queue)
        return QueuePlan(given.retention, given.visibility_timeout, given.max_receive_count, dead)


def sqs_name(name: str) -> str:
    """Return ``name`` as SQS takes it: letters, digits, ``-`` and ``_``, at most 80 of them.

    Dots become dashes and anything else an underscore, as kombu does it; a longer name ends in a digest of itself.
    """
    stem, fifo = (name[:-5], ".fifo") if name.endswith(".fifo") else (name, "")
    clean = re.sub(r"[^A-Za-z0-9_-]", "_", stem.replace(".", "-")) + fifo
    if len(clean) <= LONGEST_NAME:
        return clean
    digest = hashlib.sha256(name.encode()).hexdigest()[:12]
    return f"{clean[: LONGEST_NAME - 13 - len(fifo)]}-{digest}{fifo}"
