"""SQS's JSON protocol over botocore's own signer and HTTP session, at some 60 % of what a call costs through a client.

A client runs hooks, endpoint rules and models for each call. SQS calls are most of a busy worker's work, and need none.
"""

from __future__ import annotations

import base64
import json
import socket
from typing import Any

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import ClientError, NoCredentialsError
from botocore.httpsession import URLLib3Session
from botocore.parsers import ResponseParserError

from app.aws.calls import calls

_HEADERS = {
    "Content-Type": "application/x-amz-json-1.0",
    # Errors then carry the names that they had before SQS spoke JSON, as with a client.
    "X-Amzn-Query-Mode": "true",
    "User-Agent": f"app.aws Boto3/{boto3.__version__}",
}


class SignedCalls:
    """Calls SQS. Safe to share between threads.

    Args:
        session: botocore's: whose credentials to sign with, and which certificates to trust.
        endpoint_url: where SQS is.
        region: the region that SQS is in.
        timeout_s: to connect, and to read.
        connections: how many are kept open.
        proxies: by scheme, those on the way; none unless told.
    """

    def __init__(
        self,
        session: Any,
        *,
        endpoint_url: str,
        region: str,
        timeout_s: tuple[float, float],
        connections: int,
        proxies: dict[str, str] | None = None,
    ) -> None:
        self._credentials = session.get_credentials()
        self._url, self._region = f"{endpoint_url.rstrip('/')}/", region
        # As a client's is made; botocore's stubs know fewer kinds of value than it takes.
        options: dict[str, Any] = {
            "verify": session.get_config_variable("ca_bundle") or True,
            "proxies": proxies or {},
            "timeout": timeout_s,
            "max_pool_connections": connections,
            # Headers and body go in two writes; the second must not wait for the first's acknowledgement.
            "socket_options": [(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],
        }
        self._http = URLLib3Session(**options)

    def __call__(self, action: str, parameters: dict[str, Any]) -> dict[str, Any]:
        """Make one call, named and given its parameters as a client's method is.

        Raises:
            ClientError, BotoCoreError, ResponseParserError: as by a client.
        """
        if self._credentials is None:
            raise NoCredentialsError
        name = "".join(map(str.capitalize, action.split("_")))
        headers = {**_HEADERS, "X-Amz-Target": f"AmazonSQS.{name}"}
        request = AWSRequest("POST", self._url, headers, json.dumps(parameters, default=_blob).encode())
        # Credentials that expire are refreshed here, through boto3's chain.
        SigV4Auth(self._credentials.get_frozen_credentials(), "sqs", self._region).add_auth(request)
        calls.count("sqs_call")
        answer = self._http.send(request.prepare())
        if answer.status_code == 200:
            return _parsed(answer.content)
        raise _error(name, answer.status_code, answer.headers.get("x-amzn-query-error") or "", answer.content)


def _blob(value: Any) -> str:
    """Return binary data, which a message attribute may hold, as JSON takes it."""
    if not isinstance(value, bytes):
        raise TypeError(f"SQS takes no {type(value).__name__}")
    return base64.b64encode(value).decode()


def _parsed(body: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(body or b"{}")
    except ValueError as err:
        raise ResponseParserError(f"SQS's answer is not JSON: {err}") from err
    if not isinstance(answer, dict):
        raise ResponseParserError("SQS's answer is no JSON object")
    return answer


def _error(name: str, status: int, query_error: str, body: bytes) -> ClientError:
    try:
        told = _parsed(body)
    except ResponseParserError:  # a proxy's or a balancer's page: the status says enough
        told = {}
    code = query_error.partition(";")[0] or str(told.get("__type", "")).rpartition("#")[2].partition(":")[0]
    message = told.get("message") or told.get("Message") or ""
    response: Any = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(response, name)
