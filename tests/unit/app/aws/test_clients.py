from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import create_server

import pytest
from botocore.utils import parse_timestamp

from app import aws
from app.aws.clients import timestamp
from app.errors import TransientError
from app.local import EmbeddedCloud
from app.local.cloud import free_port
from app.settings import AwsSettings, Settings

# No call may take much longer than its timeouts and pauses; without them it would take for ever.
pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def broken() -> Iterator[tuple[str, list[str]]]:
    """Return the address of a service that answers nothing but 500, and the list of what it was asked."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            asked.append(self.path)
            self.send_error(500)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_broken_service_is_asked_as_often_as_told_and_no_more(broken: tuple[str, list[str]]) -> None:
    address, asked = broken
    s3 = aws.client("s3", AwsSettings(endpoint_url=address), attempts=2)

    with pytest.raises(TransientError, match="500"), aws.translated("asking"):
        s3.head_bucket(Bucket="images")
    assert asked == ["/images", "/images"]


def test_a_service_that_never_answers_is_not_waited_for_for_ever() -> None:
    with create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        s3 = aws.client("s3", AwsSettings(endpoint_url=address), read_timeout_s=0.2, attempts=2)

        with pytest.raises(TransientError, match=r"(?i)timeout"), aws.translated("asking"):
            s3.head_bucket(Bucket="images")


def test_a_service_that_is_not_there_is_an_error_that_may_pass() -> None:
    address = f"http://127.0.0.1:{free_port()}"
    sqs = aws.client("sqs", AwsSettings(endpoint_url=address), attempts=1)

    with pytest.raises(TransientError, match=address), aws.translated("asking"):
        sqs.list_queues()


def test_a_proxy_for_the_internet_is_not_asked_for_loopback(
    cloud: EmbeddedCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)

    s3 = aws.client("s3", Settings.from_environment(cloud.environment).aws, attempts=1)

    assert "Buckets" in s3.list_buckets()


def test_many_threads_may_make_clients_at_once(cloud: EmbeddedCloud) -> None:
    config = Settings.from_environment(cloud.environment).aws

    with ThreadPoolExecutor(16) as pool:
        clients = list(pool.map(lambda service: aws.client(service, config), ["s3", "sqs", "sns"] * 16))

    assert len({id(client) for client in clients}) == 48


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-29T00:42:27.000Z",
        "2026-11-29T00:42:27Z",
        "2026-11-29T00:42:27+01:00",
        "Sun, 29 Nov 2026 00:42:27 GMT",
        "1764376947",
        1764376947.5,
    ],
)
def test_a_time_is_the_one_that_botocore_reads(text: str | float) -> None:
    assert timestamp(text) == parse_timestamp(text)


def test_a_list_of_a_bucket_is_read_without_dateutil(cloud: EmbeddedCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings.from_environment(cloud.environment)
    s3 = aws.client("s3", settings.aws)
    s3.create_bucket(Bucket="times")
    s3.put_object(Bucket="times", Key="one", Body=b"x")
    monkeypatch.delattr("dateutil.parser.parse")
    [found] = s3.list_objects_v2(Bucket="times")["Contents"]
    assert found["LastModified"].tzinfo is not None
