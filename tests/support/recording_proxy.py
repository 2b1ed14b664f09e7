"""A proxy that notes every call to SQS and SNS with the queue or topic that it was about."""

from __future__ import annotations

import json
import time
from typing import NamedTuple
from urllib.parse import parse_qs

from tests.support.fault_proxy import FaultProxy


class Call(NamedTuple):
    """One API call.

    Attributes:
        at: when its answer came, in monotonic seconds.
        service: ``sqs`` or ``sns``.
        action: such as ``ReceiveMessage``.
        resource: the queue's or topic's name, ``*`` where there is none.
        in_vain: whether it was a poll that brought nothing.
    """

    at: float
    service: str
    action: str
    resource: str
    in_vain: bool


class RecordingProxy(FaultProxy):
    """Forwards to ``target``; ``log`` holds every call so far."""

    def __init__(self, target: str) -> None:
        super().__init__(target)
        self.log: list[Call] = []

    def _forward(
        self, method: str, path: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        answer = super()._forward(method, path, headers, body)
        target = headers.get("X-Amz-Target")
        if target:
            service, action, parameters = "sqs", target.rsplit(".", 1)[-1], json.loads(body)
        else:
            parameters = {name: values[0] for name, values in parse_qs(body.decode()).items()}
            service, action = "sns", parameters.get("Action", "?")
        resource = parameters.get("QueueUrl") or parameters.get("QueueName") or parameters.get("TopicArn") or "*"
        name = resource.rsplit("/", 1)[-1].rsplit(":", 1)[-1]
        in_vain = action == "ReceiveMessage" and b"ReceiptHandle" not in answer[2]
        self.log.append(Call(time.monotonic(), service, action, name, in_vain))
        return answer
