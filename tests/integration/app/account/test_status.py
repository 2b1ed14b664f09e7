"""`elastiq status` against the embedded cloud: what waits, what is missing, what is out of reach."""

from __future__ import annotations

import pytest

from app import aws
from app.account.status import look
from app.aws.queues import dead_letter_queue
from app.local.cloud import free_port
from app.settings import Settings
from tests.support.command import elastiq
from tests.support.fault_proxy import FaultProxy


def test_status_tells_what_waits(environment: dict[str, str]) -> None:
    config = Settings.from_environment(environment)
    sqs = aws.client("sqs", config.aws)
    url = sqs.get_queue_url(QueueName=config.queue.name)["QueueUrl"]
    for _ in range(3):
        sqs.send_message(QueueUrl=url, MessageBody="task")
    sqs.send_message(QueueUrl=url, MessageBody="later", DelaySeconds=600)
    sqs.receive_message(QueueUrl=url, WaitTimeSeconds=1)

    ended = elastiq("status", environment=environment)

    assert ended.returncode == 0
    assert ended.stdout.splitlines() == [
        f"ok    input bucket {config.buckets.input}: reachable",
        f"ok    output bucket {config.buckets.output}: reachable",
        f"ok    task queue {config.queue.name}: 2 visible, 1 in flight, 1 delayed",
        f"ok    dead letters {dead_letter_queue(config.queue.name)}: 0",
        "ok    autoscaler's launches: nothing holds them back, or no autoscaler has been there yet",
    ]


def test_status_fails_on_a_dead_letter(environment: dict[str, str]) -> None:
    config = Settings.from_environment(environment)
    sqs = aws.client("sqs", config.aws)
    sqs.send_message(
        QueueUrl=sqs.get_queue_url(QueueName=dead_letter_queue(config.queue.name))["QueueUrl"], MessageBody="poison"
    )

    ended = elastiq("status", environment=environment)

    assert ended.returncode == 1
    assert ended.stdout.splitlines()[-2] == f"FAIL  dead letters {dead_letter_queue(config.queue.name)}: 1"


def test_status_says_what_is_missing_and_what_to_do(unmade: dict[str, str]) -> None:
    ended = elastiq("status", environment=unmade)

    assert ended.returncode == 1
    lines = ended.stdout.splitlines()
    assert len(lines) == 5
    assert all(line.startswith("FAIL") and line.endswith("run `elastiq provision`") for line in lines)


@pytest.mark.timeout(60)
def test_status_says_when_the_cloud_is_out_of_reach(unmade: dict[str, str]) -> None:
    address = f"http://127.0.0.1:{free_port()}"

    ended = elastiq("status", environment={**unmade, "AWS_ENDPOINT_URL": address})

    assert ended.returncode == 1
    assert all(address in line for line in ended.stdout.splitlines())
    assert ended.stderr == ""


def test_what_is_refused_is_a_finding_beside_those_that_are_well(
    environment: dict[str, str], proxy: FaultProxy
) -> None:
    proxy.fault("GetQueueAttributes", "403")
    findings = look(Settings.from_environment({**environment, "AWS_ENDPOINT_URL": proxy.endpoint_url}))

    assert [finding.well for finding in findings] == [True, True, False, False, True]
    assert all("AWS refused" in finding.said for finding in findings if not finding.well)
    assert not {"CreateQueue", "SetQueueAttributes", "CreateBucket"} & set(proxy.calls), "it changes nothing"
