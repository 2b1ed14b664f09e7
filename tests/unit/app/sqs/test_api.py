"""How AWS is called: with whose credentials, in which region, and what its refusals mean."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from app.aws.clients import session
from app.sqs.api import AwsApi
from app.sqs.errors import Denied, QueueMissing, Refused, Unavailable
from app.sqs.metrics import Metrics
from tests.unit.app.sqs.conftest import options


class Aws(ThreadingHTTPServer):
    """Knows one access key, and answers everything else as it is told to."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.key, self.code, self.status, self.asked = "", "", 400, 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Aws

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.asked += 1
        known = f"Credential={self.server.key}" in self.headers["Authorization"]
        code = self.server.code if known or not self.server.key else "InvalidClientTokenId"
        body = json.dumps({"__type": code, "message": "x"} if code else {}).encode()
        self.send_response(self.server.status if code else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def aws() -> Iterator[Aws]:
    server = Aws()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """AWS's own two files, and nothing about keys or regions in the environment."""
    for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN", "REGION", "DEFAULT_REGION", "PROFILE"):
        monkeypatch.delenv(f"AWS_{name}", raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    session.cache_clear()
    yield tmp_path
    session.cache_clear()


def write_key(files: Path, key: str) -> None:
    (files / "credentials").write_text(f"[default]\naws_access_key_id = {key}\naws_secret_access_key = s\n")


def api(aws: Aws) -> AwsApi:
    return AwsApi(options(endpoint_url=aws.url), Metrics())


def test_a_key_that_was_rotated_in_its_file_is_read_after_a_refusal(aws: Aws, files: Path) -> None:
    write_key(files, "AKIAOLD")
    aws.key = "AKIAOLD"
    calls = api(aws)
    calls.sqs("list_queues")
    aws.key = "AKIANEW"
    write_key(files, "AKIANEW")
    with pytest.raises(Unavailable, match="other credentials"):
        calls.sqs("list_queues")
    calls.sqs("list_queues")


def test_a_key_that_nobody_knows_is_refused_and_its_file_not_read_at_every_call(aws: Aws, files: Path) -> None:
    write_key(files, "AKIAWRONG")
    aws.key = "AKIARIGHT"
    calls = api(aws)
    for _ in range(3):
        with pytest.raises(Denied):
            calls.sqs("list_queues")
    assert aws.asked == 3


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("AccessDeniedException", 403, Denied),
        ("QueueDoesNotExist", 400, QueueMissing),
        ("InvalidParameterValue", 400, Refused),
        ("ThrottlingException", 400, Unavailable),
        ("ExpiredTokenException", 400, Unavailable),
        ("Whatever", 503, Unavailable),
    ],
)
def test_each_refusal_is_of_one_kind(aws: Aws, files: Path, code: str, status: int, kind: type[Exception]) -> None:
    write_key(files, "AKIA")
    aws.code, aws.status = code, status
    with pytest.raises(kind) as raised:
        api(aws).sqs("list_queues")
    assert type(raised.value) is kind


def test_the_region_of_a_profile_is_where_calls_go(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_key(files, "AKIA")
    (files / "config").write_text("[profile far]\nregion = eu-north-1\n[default]\nregion = eu-west-1\n")
    assert _where(AwsApi(options(), Metrics())) == "https://sqs.eu-west-1.amazonaws.com/"
    monkeypatch.setenv("AWS_PROFILE", "far")
    (files / "credentials").write_text("[far]\naws_access_key_id = A\naws_secret_access_key = s\n")
    assert _where(AwsApi(options(), Metrics())) == "https://sqs.eu-north-1.amazonaws.com/"
    monkeypatch.setenv("AWS_REGION", "eu-south-1")
    assert _where(AwsApi(options(), Metrics())) == "https://sqs.eu-south-1.amazonaws.com/"
    assert _where(AwsApi(options(region="sa-east-1"), Metrics())) == "https://sqs.sa-east-1.amazonaws.com/"


def _where(calls: AwsApi) -> str:
    session.cache_clear()  # as in a new process
    return str(calls._caller("sqs", 4)._url)  # type: ignore[attr-defined]
