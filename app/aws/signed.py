"""SQS's JSON protocol and SNS's publish over botocore's own signer and HTTP session, at less than a client's cost.

A client runs hooks, endpoint rules and models for each call, and quotes a long message letter by letter. These calls
are most of a busy worker's, and need none of it.
"""

from __future__ import annotations

import base64
import html
import json
import re
import socket
from collections.abc import Iterator
from typing import Any

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest, AWSResponse
from botocore.exceptions import ClientError, NoCredentialsError
from botocore.httpsession import URLLib3Session
from botocore.parsers import ResponseParserError

from app.aws.calls import calls

_AGENT = {"User-Agent": f"app.aws Boto3/{boto3.__version__}"}
_JSON = {
    **_AGENT,
    "Content-Type": "application/x-amz-json-1.0",
    # Errors then carry the names that they had before SQS spoke JSON, as with a client.
    "X-Amzn-Query-Mode": "true",
}
_FORM = {**_AGENT, "Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
_PUBLISH = {"Action": "Publish", "Version": "2010-03-31"}
# All but what a form has as it is.
_QUOTED = re.compile(rb"[^A-Za-z0-9_.~-]")
_QUOTES = {bytes([byte]): b"%%%02X" % byte for byte in range(256)}


class _Signed:
    """Posts what is signed. Safe to share between threads.

    Args:
        service: as a signature names it.
        session: botocore's: whose credentials to sign with, and which certificates to trust.
        endpoint_url: where the service is.
        region: the region that it is in.
        timeout_s: to connect, and to read.
        connections: how many are kept open.
        proxies: by scheme, those on the way; none unless told.
    """

    def __init__(
        self,
        service: str,
        session: Any,
        *,
        endpoint_url: str,
        region: str,
        timeout_s: tuple[float, float],
        connections: int,
        proxies: dict[str, str] | None = None,
    ) -> None:
        self._credentials = session.get_credentials()
        self._url, self._where = f"{endpoint_url.rstrip('/')}/", (service, region)
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

    def _post(self, kind: str, headers: dict[str, str], body: bytes) -> AWSResponse:
        """Post ``body``, which AWS bills as one of a kind."""
        if self._credentials is None:
            raise NoCredentialsError
        request = AWSRequest("POST", self._url, headers, body)
        # Credentials that expire are refreshed here, through boto3's chain.
        SigV4Auth(self._credentials.get_frozen_credentials(), *self._where).add_auth(request)
        calls.count(kind)
        return self._http.send(request.prepare())


class SignedCalls(_Signed):
    """Calls SQS; made as `_Signed`, without the service's name."""

    def __init__(self, session: Any, **where: Any) -> None:
        super().__init__("sqs", session, **where)

    def __call__(self, action: str, parameters: dict[str, Any]) -> dict[str, Any]:
        """Make one call, named and given its parameters as a client's method is.

        Raises:
            ClientError, BotoCoreError, ResponseParserError: as by a client.
        """
        name = "".join(map(str.capitalize, action.split("_")))
        headers = {**_JSON, "X-Amz-Target": f"AmazonSQS.{name}"}
        answer = self._post("sqs_call", headers, json.dumps(parameters, default=_blob).encode())
        if answer.status_code == 200:
            return _parsed(answer.content)
        raise _error(name, answer.status_code, answer.headers.get("x-amzn-query-error") or "", answer.content)


class SignedPublish(_Signed):
    """Publishes to a topic of SNS; made as `_Signed`, without the service's name."""

    def __init__(self, session: Any, **where: Any) -> None:
        super().__init__("sns", session, **where)

    def __call__(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Publish, given the parameters of a client's method; return nothing of the answer.

        Raises:
            ClientError, BotoCoreError, ResponseParserError: as by a client.
        """
        body = b"&".join(b"%s=%s" % (_quoted(name), _quoted(text)) for name, text in _form(parameters))
        answer = self._post("sns_publish", _FORM, body)
        if answer.status_code != 200:
            raise _client_error("Publish", answer.status_code, _tagged("Code", answer), _tagged("Message", answer))
        if not _tagged("MessageId", answer):
            raise ResponseParserError("SNS's answer names no message")
        return {}


def _form(parameters: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the fields of a publish in AWS's query protocol."""
    yield from _PUBLISH.items()
    for name, value in parameters.items():
        if name != "MessageAttributes":
            yield name, value
            continue
        for number, (attribute, held) in enumerate(value.items(), 1):
            yield f"{name}.entry.{number}.Name", attribute
            for part, text in held.items():
                yield f"{name}.entry.{number}.Value.{part}", text


def _quoted(text: str) -> bytes:
    return _QUOTED.sub(lambda found: _QUOTES[found[0]], text.encode())


def _tagged(tag: str, answer: AWSResponse) -> str:
    """Return the text of an XML answer's first element of a name; nothing where there is none."""
    found = re.search(rb"<%s>([^<]*)</%s>" % (tag.encode(), tag.encode()), answer.content)
    return html.unescape(found[1].decode(errors="replace")) if found else ""


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
    return _client_error(name, status, code, told.get("message") or told.get("Message") or "")


def _client_error(name: str, status: int, code: str, message: str) -> ClientError:
    response: Any = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(response, name)
