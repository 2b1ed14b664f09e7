"""Every call to SQS and SNS: made with finite timeouts, counted by action, its errors sorted into three kinds."""

from __future__ import annotations

import os
import threading
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError
from kombu.exceptions import OperationalError

from app.errors import ConfigurationError, TransientError
from app.sqs.metrics import Metrics
from app.sqs.options import Options

CALL_TIMEOUT_S = 4
# A long poll is overdue this long after SQS should have answered.
POLL_GRACE_S = 3

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
        self._clients: dict[str, Any] = {}
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
            answer: dict[str, Any] = getattr(self._client(service, timeout_s), action)(**parameters)
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
                self._clients.clear()
            return Unavailable(text)
        if code in _MISSING:
            return QueueMissing(text)
        if code in _BUSY or status >= 500 or status == 429:
            return Unavailable(text)
        return Refused(text)

    def _client(self, service: str, timeout_s: int) -> Any:
        name = f"{service}-{timeout_s}"
        client = self._clients.get(name)
        if client is None:
            with self._lock:
                client = self._clients.get(name) or self._clients.setdefault(name, self._new_client(service, timeout_s))
        return client

    def _new_client(self, service: str, timeout_s: int) -> Any:
        key, secret = self._options.credentials or (None, None)
        # boto3's stubs know a service by its literal name alone.
        session: Any = boto3.session.Session(aws_access_key_id=key, aws_secret_access_key=secret)
        return session.client(
            service,
            region_name=self._options.region
            or os.environ.get("AWS_REGION")
            or os.environ.get("AWS_DEFAULT_REGION")
            or "us-east-1",
            endpoint_url=self._options.endpoint_url,
            config=Config(
                connect_timeout=CALL_TIMEOUT_S,
                read_timeout=timeout_s,
                retries={"total_max_attempts": 1},
                max_pool_connections=32,
                # Ours retries and counts; botocore need not validate what we build.
                parameter_validation=False,
                # botocore composes its own anew for every call, at a sixth of what the call costs.
                user_agent=f"app.sqs Boto3/{boto3.__version__}",
            ),
        )
