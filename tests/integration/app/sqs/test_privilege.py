"""Least privilege: the calls of whole lives are what docs/transport.md allows, all of it and no more."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import boto3
import pytest

from app.local import EmbeddedCloud
from app.sqs import bulk
from tests.support.recording_proxy import Call, RecordingProxy
from tests.support.waiting import wait_for
from tests.support.workers import Bench

DOC = Path(__file__).parents[4] / "docs" / "transport.md"
Allowed = set[tuple[str, str]]


@pytest.fixture
def proxy(cloud: EmbeddedCloud) -> Iterator[RecordingProxy]:
    with RecordingProxy(cloud.endpoint_url) as proxy:
        yield proxy


@pytest.fixture
def options(bench: Bench, proxy: RecordingProxy) -> dict[str, Any]:
    """What the document tells to set; the queue, its dead-letter queue and the topic exist already."""
    bench.app().connection().default_channel.queue_declare(bench.name)
    sns: Any = boto3.session.Session().client("sns", region_name="us-east-1", endpoint_url=bench.endpoint_url)
    return {
        "endpoint_url": proxy.endpoint_url,
        "predefined_queues": {bench.name: {"url": bench.url()}},
        "topic_arn": sns.create_topic(Name=f"{bench.name}-fanout")["TopicArn"],
        "listen": False,
        "listener_prefix": f"{bench.name}-on-",
    }


def policy(bench: Bench, *roles: str) -> Allowed:
    """Return the actions that the document allows these roles, each with a pattern of names of queues and topics."""
    allowed = set()
    for role in roles:
        text = re.search(rf"### {role}\n.*?```json\n(.*?)```", DOC.read_text(), re.DOTALL)
        assert text is not None
        for statement in json.loads(text[1])["Statement"]:
            name = statement["Resource"].rsplit(":", 1)[-1]
            names = {"tasks": bench.name, "celery-fanout": f"{bench.name}-fanout", "celery-on-*": f"{bench.name}-on-*"}
            allowed |= {(action, names.get(name, name)) for action in statement["Action"]}
    return allowed


def needed(log: list[Call]) -> Allowed:
    """Return the actions that IAM asks for; that of a single message covers a batch too."""
    actions = {(f"{call.service}:{call.action.removesuffix('Batch')}", call.resource) for call in log}
    # Tags that come with a new queue need a right of their own.
    return actions | {("sqs:TagQueue", name) for action, name in actions if action == "sqs:CreateQueue"}


def assert_exact(log: list[Call], allowed: Allowed) -> None:
    unused = set(allowed)
    for action, name in needed(log):
        covering = {one for one in allowed if one[0] == action and fnmatchcase(name, one[1])}
        assert covering, f"{action} on {name} is not in the policy"
        unused -= covering
    assert unused == set(), "the policy allows what nobody needs"


def test_a_publisher_needs_no_more_than_to_send(bench: Bench, proxy: RecordingProxy, options: dict[str, Any]) -> None:
    app = bench.app(options=options)
    app.send_task("work", (1,))
    app.send_task("work", (2,), countdown=60)
    with bulk():
        for number in range(12):
            app.send_task("work", (number,))
    assert_exact(proxy.log, policy(bench, "Publisher"))


def live(bench: Bench, options: dict[str, Any]) -> None:
    """A worker starts, works, extends, retries, hides, rejects, reports and stops."""
    app = bench.app()
    process = bench.ready_worker(
        "-P", "threads", "-c", "4", "-E", options={**options, "visibility_timeout": 2, "max_receive_count": 1}
    )
    app.send_task("work", (1, 4.0))
    app.send_task("again", (2, 1))
    app.send_task("fail", (3,))
    app.send_task("work", (4,), countdown=2)
    wait_for(lambda: len(bench.lines(task="again")) == 3 and bench.done()[1] and bench.done()[4], 30)
    assert bench.lines(task="fail")
    bench.send(app, "work", 20, 1.0)
    wait_for(lambda: len(bench.lines(what="begin", task="work")) >= 6, 10)
    process.terminate()
    assert process.wait(30) == 0


def test_a_worker_needs_no_more_than_the_document_says_in_all_its_life(
    bench: Bench, proxy: RecordingProxy, options: dict[str, Any]
) -> None:
    live(bench, options)
    assert_exact(proxy.log, policy(bench, "Worker"))
    assert [call for call in proxy.log if call.action.startswith(("List", "Create", "Set", "Tag", "Get", "Delete"))
            and call.action not in ("DeleteMessageBatch", "GetQueueAttributes")] == []  # fmt: skip


def test_a_worker_that_listens_and_its_remote_control_need_a_listeners_rights_too(
    bench: Bench, proxy: RecordingProxy, options: dict[str, Any]
) -> None:
    options = {**options, "listen": True}
    controller = bench.app(options=options)
    process = bench.ready_worker("-E", options={**options, "max_receive_count": 1, "visibility_timeout": 2})
    assert wait_for(lambda: controller.control.inspect(timeout=2).ping(), 20)
    app = bench.app()
    app.send_task("work", (1, 3.0))
    app.send_task("again", (2, 0))
    app.send_task("fail", (3,))
    wait_for(lambda: bench.done()[1] and len(bench.lines(task="again")) == 3 and bench.lines(task="fail"), 20)
    process.terminate()
    assert process.wait(30) == 0
    assert_exact(proxy.log, policy(bench, "Worker", "Listener"))
    assert [call for call in proxy.log if call.action.startswith(("List", "Set"))] == []
