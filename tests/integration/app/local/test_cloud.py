"""The embedded cloud as a process: where it listens, what it keeps, and how it ends."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from app import aws
from app.account.provision import provision
from app.errors import ConfigurationError
from app.local import EmbeddedCloud
from app.local.cloud import free_port
from app.local.process import stop, with_parent
from app.settings import Settings
from app.storage import Storage
from tests.support.waiting import wait_for

# A parent that starts a cloud, says where, and waits to be killed.
PARENT = """
import sys
from pathlib import Path
from app.local import EmbeddedCloud
cloud = EmbeddedCloud(Path(sys.argv[1]))
cloud.start()
print(cloud.endpoint_url, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def own(tmp_path: Path) -> Iterator[EmbeddedCloud]:
    """A cloud of the test's own, started."""
    cloud = EmbeddedCloud(tmp_path / "cloud")
    cloud.start()
    yield cloud
    cloud.stop()


def settings(cloud: EmbeddedCloud) -> Settings:
    return Settings.from_environment(cloud.environment)


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_images_results_and_messages_outlive_a_restart(own: EmbeddedCloud) -> None:
    provision(settings(own))
    storage = Storage(settings(own))
    keys = ["b/cat.png", "b/cat.png.meta.json", "b/../猫.png", "b/new\nline"]
    for key in keys:
        storage.put_image(key, key.encode(), "image/png")
    sqs = aws.client("sqs", settings(own).aws)
    url = sqs.get_queue_url(QueueName=settings(own).queue.name)["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="unread")
    sqs.send_message(QueueUrl=url, MessageBody="later", DelaySeconds=600)

    own.stop()
    assert not own.alive()
    own.start()

    again = Storage(settings(own))
    assert [again.get_image(key).decode() for key in keys] == keys
    sqs = aws.client("sqs", settings(own).aws)
    url = sqs.get_queue_url(QueueName=settings(own).queue.name)["QueueUrl"]
    (message,) = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1)["Messages"]
    assert message["Body"] == "unread"
    counts = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessagesDelayed"])
    assert counts["Attributes"]["ApproximateNumberOfMessagesDelayed"] == "1"


def test_images_outlive_even_a_kill(own: EmbeddedCloud) -> None:
    provision(settings(own))
    Storage(settings(own)).put_image("b/cat.png", b"image", "image/png")

    for process in serving(own):
        process.kill()
    wait_for(lambda: not own.alive(), 10)
    own.start()

    assert Storage(settings(own)).get_image("b/cat.png") == b"image"


def test_it_listens_on_loopback_and_nowhere_else(own: EmbeddedCloud) -> None:
    found = {
        (at.laddr.ip, at.laddr.port)
        for process in serving(own)
        for at in process.net_connections()
        if at.status == psutil.CONN_LISTEN
    }

    assert found == {("127.0.0.1", int(own.endpoint_url.rpartition(":")[2]))}


def test_a_page_of_another_site_can_read_nothing(own: EmbeddedCloud) -> None:
    provision(settings(own))
    Storage(settings(own)).put_image("b/cat.png", b"image", "image/png")
    address = f"{own.endpoint_url}/{settings(own).buckets.input}/b/cat.png"
    of_a_page = urllib.request.Request(address, headers={"Origin": "https://elsewhere.example"})

    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(of_a_page)

    with refused.value as answer:
        assert answer.code == 403
        assert "Access-Control-Allow-Origin" not in answer.headers


def test_it_says_which_variable_to_set_when_its_port_is_taken(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        cloud = EmbeddedCloud(tmp_path, port)

        with pytest.raises(ConfigurationError, match=f"port {port} is taken; set ELASTIQ_CLOUD_PORT"):
            cloud.start()
        assert not cloud.alive()


def test_it_listens_where_it_is_told(tmp_path: Path) -> None:
    port = free_port()
    cloud = EmbeddedCloud(tmp_path, port)
    cloud.start()

    try:
        assert cloud.endpoint_url == f"http://127.0.0.1:{port}"
        assert listens(port)
    finally:
        cloud.stop()


def test_a_proxy_for_the_internet_does_not_keep_it_from_starting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    monkeypatch.delenv("no_proxy", raising=False)
    cloud = EmbeddedCloud(tmp_path)

    cloud.start(timeout_s=10)
    cloud.stop()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_it_ends_with_its_parent_however_that_dies(tmp_path: Path, how: signal.Signals) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with parent:
        assert parent.stdout is not None
        port = int(parent.stdout.readline().rpartition(":")[2])
        assert listens(port)

        parent.send_signal(how)
        parent.wait()

        wait_for(lambda: not listens(port), 15)


def test_a_message_sent_before_its_parent_was_killed_is_found_again(tmp_path: Path) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with parent:
        assert parent.stdout is not None
        endpoint = parent.stdout.readline().strip()
        orphan = Settings.from_environment({"AWS_ENDPOINT_URL": endpoint})
        provision(orphan)
        sqs = aws.client("sqs", orphan.aws)
        url = sqs.get_queue_url(QueueName=orphan.queue.name)["QueueUrl"]
        sqs.send_message(QueueUrl=url, MessageBody="unread")
        parent.kill()
    wait_for(lambda: not listens(int(endpoint.rpartition(":")[2])), 15)

    cloud = EmbeddedCloud(tmp_path)
    cloud.start()
    try:
        sqs = aws.client("sqs", settings(cloud).aws)
        (message,) = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=1)["Messages"]
        assert message["Body"] == "unread"
    finally:
        cloud.stop()


def test_a_poll_that_waits_does_not_keep_it_from_ending_in_order(own: EmbeddedCloud) -> None:
    provision(settings(own))
    sqs = aws.client("sqs", settings(own).aws)
    url = sqs.get_queue_url(QueueName=settings(own).queue.name)["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="later", DelaySeconds=600)
    (process,) = serving(own)
    with ThreadPoolExecutor(1) as pool:
        poll = pool.submit(sqs.receive_message, QueueUrl=url, WaitTimeSeconds=20)
        wait_for(lambda: sum(at.status == psutil.CONN_ESTABLISHED for at in process.net_connections()), 10)

        own.stop()

        assert poll.exception() is not None
    own.start()
    counts = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessagesDelayed"])
    assert counts["Attributes"]["ApproximateNumberOfMessagesDelayed"] == "1"


def test_stopping_twice_is_stopping_once(own: EmbeddedCloud) -> None:
    own.stop()
    own.stop()

    assert not own.alive()


def test_a_process_that_does_not_want_to_end_is_made_to() -> None:
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); time.sleep(60)"
    process = subprocess.Popen([sys.executable, "-c", deaf], stdout=subprocess.PIPE)
    with process:
        assert process.stdout is not None
        process.stdout.readline()

        stop(process, timeout_s=0.2)

        assert process.returncode == -signal.SIGKILL


def test_a_command_bound_to_its_parent_is_still_that_command() -> None:
    ended = subprocess.run(with_parent([sys.executable, "-c", "print('hello')"]), capture_output=True, check=True)

    assert ended.stdout == b"hello\n"


def serving(cloud: EmbeddedCloud) -> list[psutil.Process]:
    """Return the processes of this one that hold ``cloud``'s port open."""
    port = int(cloud.endpoint_url.rpartition(":")[2])
    children = psutil.Process(os.getpid()).children(recursive=True)
    return [child for child in children if any(at.laddr.port == port for at in child.net_connections())]
