"""What stands between every process and the cloud: it passes calls on, or does to them what a fault says."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import unquote

from tests.support.fault_proxy import FaultProxy, _action, _broken

SQS = ("SendMessage", "SendMessageBatch", "ReceiveMessage", "DeleteMessageBatch", "ChangeMessageVisibilityBatch",
       "GetQueueAttributes", "GetQueueUrl", "CreateQueue", "ListQueues")  # fmt: skip
SNS = ("Publish", "PublishBatch", "Subscribe", "CreateTopic")
S3 = ("GetObject", "PutObject", "HeadObject", "DeleteObject", "ListObjectsV2")
EVERY = (*SQS, *SNS, *S3)
COUNTS = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed")

Answer = tuple[int, dict[str, str], bytes]


@dataclass(frozen=True)
class Rule:
    """What happens to calls.

    Attributes:
        actions: of these names.
        kind: ``500``, ``503``, ``403``, ``expired``, ``slow``, ``cut``, ``lost`` (done, and its answer cut off),
            ``late`` (done, and answered when nobody waits any more), ``denied`` (done, and answered 500), ``doubled``
            (done twice) or ``zero`` (counts).
        share: of the calls that it happens to, 0 to 1.
    """

    actions: tuple[str, ...]
    kind: str
    share: float = 1.0


class Weather(FaultProxy):
    """Forwards to ``target``; `while_it_is` changes what happens on the way.

    Attributes:
        met: how many calls each kind of rule happened to.
        stored: what was stored in S3, whatever its caller was told: its path, and when, in seconds since 1970.
    """

    def __init__(self, target: str, chance: random.Random, late_s: float = 35.0) -> None:
        super().__init__(target)
        self.met: dict[str, int] = {}
        self.stored: list[tuple[str, float]] = []
        self._chance, self._late_s = chance, late_s
        self._rules: list[Rule] = []
        self._lock = threading.Lock()

    @contextmanager
    def while_it_is(self, *rules: Rule) -> Iterator[None]:
        """Let ``rules`` hold; of two, the second gets what the first leaves."""
        with self._lock:
            self._rules.extend(rules)
        try:
            yield
        finally:
            with self._lock:
                for rule in rules:
                    self._rules.remove(rule)

    def _forward(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        target = headers.get("X-Amz-Target", "") or headers.get("x-amz-target", "")
        rule = self._rule(_action(method, path, target, body))
        if rule is None:
            return self._done(method, path, headers, body)
        return self._changed(rule.kind, bool(target), method, path, headers, body)

    def _rule(self, action: str) -> Rule | None:
        with self._lock:
            for rule in self._rules:
                if action in rule.actions and self._chance.random() < rule.share:
                    self.met[rule.kind] = self.met.get(rule.kind, 0) + 1
                    return rule
        return None

    def _done(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        answer = super()._forward(method, path, headers, body)
        if method == "PUT" and answer[0] == 200:
            self.stored.append((unquote(path.partition("?")[0]), time.time()))
        return answer

    def _changed(
        self, kind: str, is_json: bool, method: str, path: str, headers: dict[str, str], body: bytes
    ) -> Answer:
        if kind in ("500", "503", "403", "expired"):
            return _broken(kind, is_json)
        if kind == "cut":
            raise ConnectionResetError
        if kind == "slow":
            time.sleep(self._chance.uniform(0.5, 3.0))
        if kind == "doubled":
            self._done(method, path, headers, body)
        status, answered, text = self._done(method, path, headers, body)
        if kind == "lost":
            raise ConnectionResetError
        if kind == "denied":
            return _broken("500", is_json)
        if kind == "late":
            time.sleep(self._late_s)
        if kind == "zero" and status == 200:
            text = _zeroed(text)
        return status, answered, text


def _zeroed(text: bytes) -> bytes:
    """Return the answer with every count of the queue at 0."""
    answer = json.loads(text)
    for name in COUNTS:
        if name in answer.get("Attributes", {}):
            answer["Attributes"][name] = "0"
    return json.dumps(answer).encode()
