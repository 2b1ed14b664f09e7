"""Every call to SQS and SNS: made with finite timeouts, counted by action, its errors sorted into three kinds."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any

import boto3
import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError
from kombu.exceptions import OperationalError

from app.errors import ConfigurationError, TransientError
from app.sqs.metrics import Metrics
from app.sqs.options import Options
from app.sqs.signed import SignedCalls

CALL_TIMEOUT_S = 4
# A long poll is overdue this long after SQS should have answered.
POLL_GRACE_S = 3
CONNECTIONS = 32

Caller = Callable[[str, dict[str, Any]], dict[str, Any]]

_EXPIRED = {"ExpiredToken", "ExpiredTokenException", "RequestExpired"}
_BUSY = {"Throttling", "ThrottlingException", "RequestThrottled", "RequestLimitExceeded", "OverLimit", "InternalError",
         "InternalFailure", "ServiceUnavailable", "KmsThrottled", "RequestTimeout"}  # fmt: skip
_MISSING = {
    "QueueDoesNotExist",
    "AWS.SimpleQueueService.NonExistentQueue",
    "NonExistentQueue",
    "NotFound",
    "NotFoundException",
}


class Unavailable(OperationalError, TransientError):
    """AWS or the network did not answer as it should; the same call may work later."""


class Refused(OperationalError, ConfigurationError):
    """AWS refused the call: credentials, policy or parameters are wrong."""


class QueueMissing(Refused):
    """The queue or topic does not exist."""


class Api:
    """SQS and SNS for one process. Safe to share between threads.

    Every method raises `Unavailable`, `Refused` or `QueueMissing`. None retries: who calls knows better.
    """

    def __init__(self, options: Options, metrics: Metrics) -> None:
        self._options, self._metrics = options, metrics
        self._callers: dict[str, Caller] = {}
        self._lock = threading.Lock()
        self.pid = os.getpid()

    def sqs(self, action: str, **parameters: Any) -> dict[str, Any]:
        """Call SQS, for example ``sqs("send_message_batch", QueueUrl=..., Entries=...)``."""
        return self._call("sqs", action, CALL_TIMEOUT_S, parameters)

    def sns(self, action: str, **parameters: Any) -> dict[str, Any]:
        """Call SNS."""
        return self._call("sns", action, CALL_TIMEOUT_S, parameters)

    def poll(self, *, wait_s: int, **parameters: Any) -> list[dict[str, Any]]:
        """Receive up to ten messages, waiting up to ``wait_s`` seconds for the first."""
        timeout_s = CALL_TIMEOUT_S if wait_s <= 1 else self._options.wait_time_seconds + POLL_GRACE_S
        answer = self._call("sqs", "receive_message", timeout_s, {**parameters, "WaitTimeSeconds": wait_s})
        messages: list[dict[str, Any]] = answer.get("Messages") or []
        return messages

    def _call(self, service: str, action: str, timeout_s: int, parameters: dict[str, Any]) -> dict[str, Any]:
        self._metrics.called(action)
        try:
            answer = self._caller(service, timeout_s)(action, parameters)
        except (ClientError, BotoCoreError, ResponseParserError, OSError) as err:
            self._metrics.count("errors")
            raise self._sorted(action, err) from err
        return answer

    def _sorted(self, action: str, err: Exception) -> OperationalError:
        if not isinstance(err, ClientError):
            return Unavailable(f"{action}: {err}")
        code = str(err.response.get("Error", {}).get("Code", ""))
        status = err.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        text = f"{action}: {code or status}: {err.response.get('Error', {}).get('Message', '')}"
        if code in _EXPIRED:
            # The chain may have newer credentials; a new session reads them.
            with self._lock:
                self._callers.clear()
            return Unavailable(text)
        if code in _MISSING:
            return QueueMissing(text)
        if code in _BUSY or status >= 500 or status == 429:
            return Unavailable(text)
        return Refused(text)

    def _caller(self, service: str, timeout_s: int) -> Caller:
        name = f"{service}-{timeout_s}"
        caller = self._callers.get(name)
        if caller is None:
            with self._lock:
                caller = self._callers.get(name) or self._callers.setdefault(name, self._new_caller(service, timeout_s))
        return caller

    def _new_caller(self, service: str, timeout_s: int) -> Caller:
        core = botocore.session.Session()
        if self._options.credentials:
            core.set_credentials(*self._options.credentials)
        # boto3's stubs know a service by its literal name alone.
        session: Any = boto3.session.Session(botocore_session=core)
        client = session.client(
            service,
            region_name=self._options.region
            or os.environ.get("AWS_REGION")
            or os.environ.get("AWS_DEFAULT_REGION")
            or "us-east-1",
            endpoint_url=self._options.endpoint_url,
            config=Config(
                connect_timeout=CALL_TIMEOUT_S,
                read_timeout=timeout_s,
                # Ours retries and counts.
                retries={"total_max_attempts": 1},
                max_pool_connections=CONNECTIONS,
            ),
        )
        if service == "sqs":
            return SignedCalls(
                core,
                endpoint_url=client.meta.endpoint_url,
                region=client.meta.region_name,
                timeout_s=(CALL_TIMEOUT_S, timeout_s),
                connections=CONNECTIONS,
            )
        return lambda action, parameters: getattr(client, action)(**parameters)
