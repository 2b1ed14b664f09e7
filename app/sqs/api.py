"""Every call to SQS and SNS: made with finite timeouts, counted by action, its errors sorted into three kinds."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from typing import Any, Protocol

from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError
from kombu.exceptions import OperationalError

from app import aws
from app.aws.clients import Session
from app.aws.errors import BUSY, DENIED, EXPIRED, NO_QUEUE, NO_TOPIC, NOT_KNOWN
from app.errors import ConfigurationError
from app.settings import AwsSettings
from app.sqs.errors import Denied, QueueMissing, Refused, Unavailable
from app.sqs.metrics import Metrics
from app.sqs.options import Options

CALL_TIMEOUT_S = 4
# A long poll is overdue this long after SQS should have answered.
POLL_GRACE_S = 3
CONNECTIONS = 32
# After credentials were refused and no others were found.
LOOK_AGAIN_S = 30

Caller = Callable[[str, dict[str, Any]], dict[str, Any]]


class Api(Protocol):
    """SQS and SNS for one process. Safe to share between threads.

    Every method raises `Unavailable`, `Refused` or `QueueMissing`. None retries: who calls knows better.
    `AwsApi` is AWS's; `app.sqs.memory.MemoryApi` needs none. One suite holds both to the same.
    """

    def sqs(self, action: str, **parameters: Any) -> dict[str, Any]:
        """Call SQS, for example ``sqs("send_message_batch", QueueUrl=..., Entries=...)``."""

    def sns(self, action: str, **parameters: Any) -> dict[str, Any]:
        """Call SNS."""

    def poll(self, *, wait_s: int, **parameters: Any) -> list[dict[str, Any]]:
        """Receive up to ten messages, waiting up to ``wait_s`` seconds for the first."""


class AwsApi:
    """AWS's own; see `Api`."""

    def __init__(self, options: Options, metrics: Metrics) -> None:
        self._options, self._metrics = options, metrics
        # boto3 itself heeds AWS_DEFAULT_REGION and AWS's files, but not this one.
        region = options.region or os.environ.get("AWS_REGION") or ""
        self._settings = AwsSettings(region=region, endpoint_url=options.endpoint_url or "")
        self._session = Session(options.credentials) if options.credentials else None
        self._look_again_at = float("-inf")
        self._callers: dict[str, Caller] = {}
        self._lock = threading.Lock()

    def sqs(self, action: str, **parameters: Any) -> dict[str, Any]:
        """Call SQS."""
        return self._call("sqs", action, CALL_TIMEOUT_S, parameters)

    def sns(self, action: str, **parameters: Any) -> dict[str, Any]:
        """Call SNS."""
        return self._call("sns", action, CALL_TIMEOUT_S, parameters)

    def poll(self, *, wait_s: int, **parameters: Any) -> list[dict[str, Any]]:
        """Receive."""
        timeout_s = CALL_TIMEOUT_S if wait_s <= 1 else self._options.wait_time_seconds + POLL_GRACE_S
        answer = self._call("sqs", "receive_message", timeout_s, {**parameters, "WaitTimeSeconds": wait_s})
        messages: list[dict[str, Any]] = answer.get("Messages") or []
        return messages

    def _call(self, service: str, action: str, timeout_s: int, parameters: dict[str, Any]) -> dict[str, Any]:
        self._metrics.called(action)
        try:
            return self._caller(service, timeout_s)(action, parameters)
        except (ClientError, BotoCoreError, ResponseParserError, OSError) as err:
            self._metrics.count("errors")
            raise self._sorted(action, err) from err
        except ConfigurationError as err:
            raise Refused(f"{action}: {err}") from err

    def _sorted(self, action: str, err: Exception) -> OperationalError:
        if not isinstance(err, ClientError):
            return Unavailable(f"{action}: {err}")
        code = str(err.response.get("Error", {}).get("Code", ""))
        status = err.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        text = f"{action}: {code or status}: {err.response.get('Error', {}).get('Message', '')}"
        if code in EXPIRED:
            self._renew()
            return Unavailable(text)
        if code in NOT_KNOWN and self._renewed():
            return Unavailable(f"{text}; there are other credentials by now")
        if code in DENIED:
            return Denied(text)
        if code in NO_QUEUE | NO_TOPIC:
            return QueueMissing(text)
        if code in BUSY or status >= 500 or status == 429:
            return Unavailable(text)
        return Refused(text)

    def _renewed(self) -> bool:
        """Read credentials anew, at most twice a minute; return whether they are others: keys are rotated in files."""
        with self._lock:
            if time.monotonic() < self._look_again_at:
                return False
            self._look_again_at = time.monotonic() + LOOK_AGAIN_S
            before = self._session or aws.session()
            after = Session(self._options.credentials)
        with aws.building():
            if before.keys() == after.keys():
                return False
        self._renew(after)
        return True

    def _renew(self, session: Session | None = None) -> None:
        """Use credentials that are read anew from the next call on: the chain may have newer ones."""
        with self._lock:
            self._session = session or Session(self._options.credentials)
            self._callers.clear()

    def _caller(self, service: str, timeout_s: int) -> Caller:
        name = f"{service}-{timeout_s}"
        caller = self._callers.get(name)
        if caller is None:
            with self._lock:
                caller = self._callers.get(name) or self._callers.setdefault(name, self._new_caller(service, timeout_s))
        return caller

    def _new_caller(self, service: str, timeout_s: int) -> Caller:
        often: dict[str, Any] = {"read_timeout_s": timeout_s, "connections": CONNECTIONS, "own": self._session}
        if service == "sqs":
            return aws.sqs_calls(self._settings, **often)
        # One attempt: ours retries and counts.
        client = aws.client(service, self._settings, attempts=1, **often)
        publish = aws.sns_publish(self._settings, **often)

        def call(action: str, parameters: dict[str, Any]) -> dict[str, Any]:
            if action == "publish":
                return publish(parameters)
            answer: dict[str, Any] = getattr(client, action)(**parameters)
            return answer

        return call
