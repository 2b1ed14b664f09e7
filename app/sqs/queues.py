"""Queues by name: their addresses, made with a dead-letter queue where they are missing, and listeners' queues."""

from __future__ import annotations

import hashlib
import json
import os
import re
import socket
import threading
import time
import uuid

from kombu.log import get_logger

from app.sqs.api import Api, QueueMissing, Refused, Unavailable
from app.sqs.options import Options

logger = get_logger("app.sqs")

LONGEST_NAME = 80
# A listener's queue keeps nothing for long: who was not there to hear it does not need it.
LISTENER_RETENTION_S = 300
OWNER, SEEN = "elastiq:owner", "elastiq:seen"


class Queues:
    """Finds queues, and makes those that may be made.

    Every method raises `Unavailable` or `Refused` (no right, or a queue that is missing from ``predefined_queues``).
    """

    def __init__(self, api: Api, options: Options) -> None:
        self._api, self._options = api, options
        self._urls = {name: str(queue["url"]) for name, queue in options.predefined_queues.items()}
        self._listeners: dict[str, str] = {}
        self._redrives: dict[str, bool] = {}
        self._lock = threading.RLock()

    def url(self, name: str) -> str:
        """Return a task queue's address; the queue and its dead-letter queue are made if they are missing."""
        with self._lock:
            url = self._urls.get(name)
            if url is None:
                url = self._urls[name] = self._find(sqs_name(self._options.queue_name_prefix + name), name)
            return url

    def reply_url(self, name: str) -> str | None:
        """Return the address of another process's reply queue; None when it is gone."""
        with self._lock:
            if name in self._urls or name in self._listeners:
                return self._urls.get(name) or self._listeners[name]
        try:
            physical = sqs_name(self._options.listener_prefix + name)
            url: str = self._api.sqs("get_queue_url", QueueName=physical)["QueueUrl"]
        except QueueMissing:
            return None
        with self._lock:
            return self._urls.setdefault(name, url)

    def listener_url(self, name: str, topic_arn: str) -> str:
        """Return the address of a queue of this process's own, made at the first call.

        It carries its owner and when it was last seen alive, so that it can be swept when its owner is gone.
        """
        with self._lock:
            if name not in self._listeners:
                self._listeners[name] = self._make_listener(name, topic_arn)
            return self._listeners[name]

    def forget(self, name: str) -> None:
        """Look the queue up anew at the next call: it was deleted."""
        with self._lock:
            if name not in self._options.predefined_queues:
                self._urls.pop(name, None)
            self._listeners.pop(name, None)

    def listeners(self) -> dict[str, str]:
        """Return this process's own queues: name and address."""
        with self._lock:
            return dict(self._listeners)

    def is_listener(self, name: str) -> bool:
        """Return whether ``name`` is a queue of this process's own."""
        return name in self._listeners

    def touch(self) -> None:
        """Note on this process's own queues that their owner lives."""
        for url in self.listeners().values():
            self._api.sqs("tag_queue", QueueUrl=url, Tags={SEEN: str(int(time.time()))})

    def delete_listener(self, name: str) -> None:
        """Delete a queue of this process's own."""
        with self._lock:
            url = self._listeners.pop(name, None)
        if url is not None:
            self._api.sqs("delete_queue", QueueUrl=url)

    def has_dead_letters(self, url: str) -> bool:
        """Return whether the queue moves what fails often to a dead-letter queue; True when that cannot be known."""
        with self._lock:
            if url not in self._redrives:
                try:
                    answer = self._api.sqs("get_queue_attributes", QueueUrl=url, AttributeNames=["RedrivePolicy"])
                except (Unavailable, Refused):
                    return True
                self._redrives[url] = "RedrivePolicy" in answer.get("Attributes", {})
            return self._redrives[url]

    def _find(self, physical: str, name: str) -> str:
        if self._options.predefined_queues:
            known = ", ".join(sorted(self._options.predefined_queues))
            raise Refused(f"queue {name!r} is not in predefined_queues ({known})")
        try:
            return str(self._api.sqs("get_queue_url", QueueName=physical)["QueueUrl"])
        except QueueMissing:
            return self._make(physical)

    def _make(self, physical: str) -> str:
        stem, fifo = (physical[:-5], ".fifo") if physical.endswith(".fifo") else (physical, "")
        base = {"MessageRetentionPeriod": str(self._options.retention), **({"FifoQueue": "true"} if fifo else {})}
        dead = self._api.sqs("create_queue", QueueName=f"{stem}-dead{fifo}", Attributes=base)["QueueUrl"]
        attributes = {
            **base,
            "VisibilityTimeout": str(self._options.visibility_timeout),
            "RedrivePolicy": json.dumps(
                {"deadLetterTargetArn": self._arn(dead), "maxReceiveCount": self._options.max_receive_count}
            ),
        }
        logger.info("queue_made name=%s dead_letters=%s-dead%s", physical, stem, fifo)
        return str(self._api.sqs("create_queue", QueueName=physical, Attributes=attributes)["QueueUrl"])

    def _arn(self, url: str) -> str:
        return str(
            self._api.sqs("get_queue_attributes", QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        )

    def _make_listener(self, name: str, topic_arn: str) -> str:
        # A reply queue is found by its name. Any other is reached through its subscription, and its name is new
        # each time: SQS does not make a queue anew within a minute of its deletion, and an old one holds old commands.
        unique = name if is_reply(name) else f"{name}-{uuid.uuid4().hex[:8]}"
        physical = sqs_name(self._options.listener_prefix + unique)
        partition, _, region, account = topic_arn.split(":")[1:5]
        policy = {
            "Statement": [
                {
                    "Effect": "Allow",
                    "Principal": {"Service": "sns.amazonaws.com"},
                    "Action": "sqs:SendMessage",
                    "Resource": f"arn:{partition}:sqs:{region}:{account}:{physical}",
                    "Condition": {"ArnEquals": {"aws:SourceArn": topic_arn}},
                }
            ]
        }
        attributes = {"MessageRetentionPeriod": str(LISTENER_RETENTION_S), "Policy": json.dumps(policy)}
        tags = {OWNER: owner(), SEEN: str(int(time.time()))}
        return str(self._api.sqs("create_queue", QueueName=physical, Attributes=attributes, tags=tags)["QueueUrl"])


def owner() -> str:
    """Return who this process is, as its queues are tagged: ``<host>:<process id>``."""
    return f"{socket.gethostname()}:{os.getpid()}"


def is_reply(name: str) -> bool:
    """Return whether ``name`` is a queue that answers to remote control come back on."""
    return ".reply." in name


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
