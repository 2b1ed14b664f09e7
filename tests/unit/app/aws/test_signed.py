"""The calls to SQS and SNS beside boto3's: the same goes over the wire, and the same errors come back."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl

import boto3
import botocore.session
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError, ReadTimeoutError
from botocore.parsers import ResponseParserError

from app.aws.signed import SignedCalls, SignedPublish
from app.local.cloud import free_port

CALLS: list[tuple[str, dict[str, Any]]] = [
    ("get_queue_url", {"QueueName": "tasks"}),
    ("create_queue", {"QueueName": "tasks", "Attributes": {"VisibilityTimeout": "30"}, "tags": {"owner": "me"}}),
    ("tag_queue", {"QueueUrl": "http://q/1/tasks", "Tags": {"seen": "1"}}),
    ("get_queue_attributes", {"QueueUrl": "http://q/1/tasks", "AttributeNames": ["All"]}),
    (
        "receive_message",
        {
            "QueueUrl": "http://q/1/tasks",
            "MaxNumberOfMessages": 10,
            "WaitTimeSeconds": 20,
            "VisibilityTimeout": 30,
            "MessageSystemAttributeNames": ["ApproximateReceiveCount"],
        },
    ),
    (
        "send_message_batch",
        {
            "QueueUrl": "http://q/1/tasks",
            "Entries": [
                {
                    "Id": "0",
                    "MessageBody": "é\n🙂",
                    "DelaySeconds": 5,
                    "MessageAttributes": {
                        "name": {"DataType": "String", "StringValue": "x"},
                        "data": {"DataType": "Binary", "BinaryValue": b"\x00\xff"},
                    },
                }
            ],
        },
    ),
    ("delete_message_batch", {"QueueUrl": "http://q/1/tasks", "Entries": [{"Id": "0", "ReceiptHandle": "r"}]}),
    (
        "change_message_visibility_batch",
        {"QueueUrl": "http://q/1/tasks", "Entries": [{"Id": "0", "ReceiptHandle": "r", "VisibilityTimeout": 0}]},
    ),
]


PUBLISH: dict[str, Any] = {
    "TopicArn": "arn:aws:sns:eu-west-1:1:events",
    "Message": 'é\n🙂 "a b"&c=d+e%20;~-_.',
    "MessageAttributes": {
        "exchange": {"DataType": "String", "StringValue": "celeryev"},
        "kind": {"DataType": "String", "StringValue": "a b"},
    },
}
PUBLISHED = b"""<PublishResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><PublishResult><MessageId>1</MessageId>
</PublishResult><ResponseMetadata><RequestId>2</RequestId></ResponseMetadata></PublishResponse>"""


class Server(ThreadingHTTPServer):
    """Notes every request, and gives the answer that it was told to."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.answer: tuple[int, dict[str, str], bytes] = (200, {}, b"{}")
        self.silent = False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.requests.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body))
        if self.server.silent:
            threading.Event().wait(3)
            self.close_connection = True
            return
        status, headers, answer = self.server.answer
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield server
        server.shutdown()


def session(token: str | None = None) -> Any:
    session = botocore.session.Session()
    session.set_credentials("AKIAEXAMPLE", "secret", token)
    return session


def calls(url: str, token: str | None = None, timeout_s: float = 2) -> SignedCalls:
    return SignedCalls(session(token), endpoint_url=url, region="eu-west-1", timeout_s=(2, timeout_s), connections=4)


def publish(url: str, token: str | None = None) -> SignedPublish:
    return SignedPublish(session(token), endpoint_url=url, region="eu-west-1", timeout_s=(2, 2), connections=4)


def client(url: str, token: str | None = None, service: Any = "sqs") -> Any:
    return boto3.session.Session(botocore_session=session(token)).client(
        service, region_name="eu-west-1", endpoint_url=url, config=Config(retries={"total_max_attempts": 1})
    )


@pytest.mark.parametrize("token", [None, "a-session-token"])
@pytest.mark.parametrize(("action", "parameters"), CALLS, ids=[action for action, _ in CALLS])
def test_a_call_goes_over_the_wire_as_boto3s_does(
    server: Server, action: str, parameters: dict[str, Any], token: str | None
) -> None:
    calls(server.url, token)(action, parameters)
    getattr(client(server.url, token), action)(**parameters)

    (path, ours, body), (their_path, theirs, their_body) = server.requests
    assert path == their_path
    assert json.loads(body) == json.loads(their_body)
    for name in ("x-amz-target", "content-type", "x-amzn-query-mode", "x-amz-security-token", "host"):
        assert ours.get(name) == theirs.get(name)


@pytest.mark.parametrize("token", [None, "a-session-token"])
@pytest.mark.parametrize(("action", "parameters"), CALLS, ids=[action for action, _ in CALLS])
def test_what_arrives_bears_the_signature_that_aws_would_compute(
    server: Server, action: str, parameters: dict[str, Any], token: str | None
) -> None:
    calls(server.url, token)(action, parameters)

    names = assert_signed(server, "sqs", token)
    assert {"host", "x-amz-date", "x-amz-target"} | ({"x-amz-security-token"} if token else set()) <= set(names)


def assert_signed(server: Server, service: str, token: str | None = None) -> list[str]:
    """Hold the signature of the first request to what AWS would compute; return the headers that it covers."""
    (path, headers, body) = server.requests[0]
    given = dict(part.split("=", 1) for part in headers["authorization"].partition(" ")[2].split(", "))
    names = given["SignedHeaders"].split(";")
    arrived = AWSRequest("POST", server.url + path, {name: headers[name] for name in names}, body)
    arrived.context["timestamp"] = headers["x-amz-date"]
    aws = SigV4Auth(session(token).get_credentials(), service, "eu-west-1")
    assert given["Credential"] == f"AKIAEXAMPLE/{headers['x-amz-date'][:8]}/eu-west-1/{service}/aws4_request"
    assert given["Signature"] == aws.signature(aws.string_to_sign(arrived, aws.canonical_request(arrived)), arrived)
    return names


def test_a_publish_goes_over_the_wire_as_boto3s_does_and_is_signed(server: Server) -> None:
    server.answer = (200, {"Content-Type": "text/xml"}, PUBLISHED)
    publish(server.url, "a-session-token")(PUBLISH)
    client(server.url, "a-session-token", "sns").publish(**PUBLISH)

    (path, ours, body), (their_path, theirs, their_body) = server.requests
    assert path == their_path
    assert dict(parse_qsl(body.decode())) == dict(parse_qsl(their_body.decode()))
    for name in ("content-type", "x-amz-security-token", "host"):
        assert ours.get(name) == theirs.get(name)
    assert "x-amz-security-token" in assert_signed(server, "sns", "a-session-token")


ERRORS = [
    (
        400,
        {"x-amzn-query-error": "AWS.SimpleQueueService.NonExistentQueue;Sender"},
        b'{"__type":"com.amazonaws.sqs#QueueDoesNotExist","message":"gone"}',
    ),
    (400, {}, b'{"__type":"com.amazonaws.sqs#InvalidParameterValue","Message":"too long"}'),
    (403, {}, b'{"__type":"AccessDeniedException:http://internal/","message":"no"}'),
    (400, {}, b'{"__type":"com.amazon.coral.service#ExpiredTokenException","message":"old"}'),
    (503, {}, b'{"__type":"ServiceUnavailable"}'),
]


@pytest.mark.parametrize("answer", ERRORS, ids=[str(status) + body.decode()[11:40] for status, _, body in ERRORS])
def test_an_error_is_the_one_that_boto3_raises(server: Server, answer: tuple[int, dict[str, str], bytes]) -> None:
    server.answer = answer
    with pytest.raises(ClientError) as ours:
        calls(server.url)("get_queue_url", {"QueueName": "tasks"})
    with pytest.raises(ClientError) as theirs:
        client(server.url).get_queue_url(QueueName="tasks")
    for part in ("Code", "Message"):
        assert ours.value.response["Error"].get(part) == theirs.value.response["Error"].get(part)
    assert [e.value.response["ResponseMetadata"]["HTTPStatusCode"] for e in (ours, theirs)] == [answer[0]] * 2


@pytest.mark.parametrize(("status", "code"), [(404, "NotFound"), (403, "AuthorizationError"), (400, "Throttling")])
def test_an_error_of_a_publish_is_the_one_that_boto3_raises(server: Server, status: int, code: str) -> None:
    told = f"<Type>Sender</Type><Code>{code}</Code><Message>no &lt;topic&gt; &amp; no right</Message>"
    server.answer = (status, {}, f"<ErrorResponse><Error>{told}</Error></ErrorResponse>".encode())
    with pytest.raises(ClientError) as ours:
        publish(server.url)(PUBLISH)
    with pytest.raises(ClientError) as theirs:
        client(server.url, service="sns").publish(**PUBLISH)
    assert ours.value.response["Error"] == {"Code": code, "Message": "no <topic> & no right"}
    for part in ("Code", "Message"):
        assert ours.value.response["Error"][part] == theirs.value.response["Error"][part]
    assert [e.value.response["ResponseMetadata"]["HTTPStatusCode"] for e in (ours, theirs)] == [status] * 2


@pytest.mark.parametrize("page", [b"<html>Welcome</html>", b"", b"\xff"])
def test_a_page_that_tells_of_no_message_is_no_publish(server: Server, page: bytes) -> None:
    server.answer = (200, {}, page)
    with pytest.raises(ResponseParserError):
        publish(server.url)(PUBLISH)


def test_a_page_that_is_no_sqs_answer_is_an_error_by_its_status(server: Server) -> None:
    server.answer = (502, {"Content-Type": "text/html"}, b"<html>Bad gateway</html>")
    with pytest.raises(ClientError) as caught:
        calls(server.url)("get_queue_url", {"QueueName": "tasks"})
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 502


@pytest.mark.parametrize("body", [b'{"Messages": [{"Body', b"[]", b"\xff"])
def test_a_mangled_answer_is_no_success(server: Server, body: bytes) -> None:
    server.answer = (200, {}, body)
    with pytest.raises(ResponseParserError):
        calls(server.url)("receive_message", {"QueueUrl": "q"})


def test_an_empty_answer_is_a_success_that_says_nothing(server: Server) -> None:
    server.answer = (200, {}, b"")
    assert calls(server.url)("tag_queue", {"QueueUrl": "q", "Tags": {}}) == {}


def test_a_server_that_does_not_answer_is_given_up_in_time(server: Server) -> None:
    server.silent = True
    with pytest.raises(ReadTimeoutError):
        calls(server.url, timeout_s=0.2)("get_queue_url", {"QueueName": "tasks"})


def test_a_server_that_is_not_there_is_an_error_that_names_it() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(EndpointConnectionError, match=url):
        calls(url)("get_queue_url", {"QueueName": "tasks"})


def test_without_credentials_no_call_is_made(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    nobody = botocore.session.Session()
    monkeypatch.setattr(nobody, "get_credentials", lambda: None)
    without = SignedCalls(nobody, endpoint_url=server.url, region="eu-west-1", timeout_s=(1, 1), connections=1)
    with pytest.raises(NoCredentialsError):
        without("get_queue_url", {"QueueName": "tasks"})
    assert server.requests == []


def test_what_is_no_json_is_the_callers_mistake(server: Server) -> None:
    with pytest.raises(TypeError, match="SQS takes no set"):
        calls(server.url)("get_queue_url", {"QueueName": {"tasks"}})
