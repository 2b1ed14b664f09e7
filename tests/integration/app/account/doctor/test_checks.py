"""`elastiq doctor` against the embedded cloud: all well, and each thing that may be wrong made so once."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from app import aws
from app.account.doctor.checks import look, versions
from app.account.doctor.findings import Finding, State
from app.account.provision import provision
from app.aws.queues import dead_letter_queue
from app.local.cloud import free_port
from app.settings import Settings
from tests.support.command import elastiq
from tests.support.fault_proxy import FaultProxy


def found(environment: dict[str, str], proxy: FaultProxy | None = None, *roles: str) -> dict[str, Finding]:
    """Return the findings by what they are of, looked for through the proxy if there is one."""
    through = {"AWS_ENDPOINT_URL": proxy.endpoint_url} if proxy else {}
    settings = Settings.from_environment({**environment, **through})
    return {finding.what: finding for finding in look(settings, roles)}


def test_where_all_is_well_it_says_so_and_leaves_nothing_behind(environment: dict[str, str]) -> None:
    ended = elastiq("doctor", "--json", environment=environment)

    said = {line["what"]: line for line in map(json.loads, ended.stdout.splitlines())}
    assert ended.returncode == 0, ended.stdout
    assert {line["state"] for line in said.values()} == {"ok", "unknown"}
    assert [what for what, line in said.items() if line["state"] == "unknown"] == ["credentials"]
    assert "efficientnet_lite0 in " in said["model"]["says"]
    assert re.match(r"(\d+) of \1 that web, worker and autoscaler need", said["permissions"]["says"])
    config = Settings.from_environment(environment)
    s3, sqs = aws.client("s3", config.aws), aws.client("sqs", config.aws)
    for bucket in (config.buckets.input, config.buckets.output):
        assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0
    assert len(sqs.list_queues(QueueNamePrefix=config.queue.name)["QueueUrls"]) == 3
    topics = aws.client("sns", config.aws).list_topics()["Topics"]
    (topic,) = [one["TopicArn"] for one in topics if one["TopicArn"].endswith(f":{config.queue.topic}")]
    assert aws.client("sns", config.aws).list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"] == []


def test_what_is_missing_is_named_with_what_to_do(unmade: dict[str, str], tmp_path: Path) -> None:
    ended = elastiq("doctor", environment={**unmade, "ELASTIQ_MODEL_DIR": str(tmp_path)})

    assert ended.returncode == 1
    failed = [line for line in ended.stdout.splitlines() if line.startswith("FAIL")]
    assert [line.split()[1] for line in failed] == ["model:", "bucket", "bucket", "queue", "queue"]
    assert "python -m tasks.engine build" in failed[0]
    assert all("run `elastiq provision`" in line for line in failed[1:])
    assert "some could not be tried, for what is not there: the input bucket" in ended.stdout


def test_a_package_of_another_version_than_is_needed_is_named() -> None:
    assert versions(["celery>=5", 'no-such-package; extra == "local"']).state is State.OK
    finding = versions(["celery>=5", "kombu<5", "no-such-package>=1"])
    assert finding.state is State.FAIL
    assert "needed are kombu<5, no-such-package>=1: " in finding.says


def test_a_topic_that_is_missing_is_found(environment: dict[str, str]) -> None:
    config = Settings.from_environment(environment)
    sns = aws.client("sns", config.aws)
    for topic in sns.list_topics()["Topics"]:
        if topic["TopicArn"].endswith(f":{config.queue.topic}"):
            sns.delete_topic(TopicArn=topic["TopicArn"])
    finding = found(environment)[f"topic {config.queue.topic}"]
    assert finding.state is State.FAIL
    assert "elastiq provision" in finding.says


def test_a_completion_topic_is_looked_for_where_one_is_told(environment: dict[str, str]) -> None:
    assert "completion topic" not in found(environment)
    arn = "arn:aws:sns:us-east-1:000000000000:completions"
    told = {**environment, "ELASTIQ_COMPLETION_TOPIC_ARN": arn}
    finding = found(told)["completion topic"]
    assert finding.state is State.FAIL
    assert "ELASTIQ_COMPLETION_TOPIC_ARN" in finding.says
    sns = aws.client("sns", Settings.from_environment(environment).aws)
    sns.create_topic(Name="completions")
    assert found(told)["completion topic"].state is State.OK
    sns.delete_topic(TopicArn=arn)


def test_each_bucket_that_batches_may_be_made_of_is_looked_for(environment: dict[str, str]) -> None:
    there, missing = environment["ELASTIQ_INPUT_BUCKET"], f"{environment['ELASTIQ_INPUT_BUCKET']}-none"
    told = {**environment, "ELASTIQ_SOURCE_BUCKETS": f"{missing}, {there}"}
    assert found(told)[f"bucket {there}"].state is State.OK
    finding = found(told)[f"bucket {missing}"]
    assert finding.state is State.FAIL
    assert finding.says == "it does not exist: make it, or set ELASTIQ_SOURCE_BUCKETS to one that does"


def test_a_bucket_in_another_region_is_named_with_it(unmade: dict[str, str]) -> None:
    provision(Settings.from_environment({**unmade, "AWS_REGION": "eu-central-1"}))
    finding = found({**unmade, "AWS_REGION": "us-east-1"})[f"bucket {unmade['ELASTIQ_INPUT_BUCKET']}"]
    assert finding.state is State.FAIL
    assert "set AWS_REGION=eu-central-1" in finding.says


def test_a_queue_without_dead_letters_is_found(unmade: dict[str, str]) -> None:
    config = Settings.from_environment(unmade)
    aws.client("sqs", config.aws).create_queue(QueueName=config.queue.name)
    finding = found(unmade)[f"queue {config.queue.name}"]
    assert finding.state is State.FAIL
    assert "no dead-letter queue" in finding.says


def test_where_dead_letters_go_is_told(environment: dict[str, str]) -> None:
    name = environment["ELASTIQ_QUEUE"]
    assert dead_letter_queue(name) in found(environment)[f"queue {name}"].says


def test_credentials_that_have_expired_are_found(environment: dict[str, str], proxy: FaultProxy) -> None:
    proxy.fault("GetCallerIdentity", "expired")
    finding = found(environment, proxy)["credentials"]
    assert finding.state is State.FAIL
    assert "have expired: log in anew" in finding.says


def test_that_there_are_no_credentials_is_said_with_where_they_may_come_from(
    environment: dict[str, str], tmp_path: Path
) -> None:
    nobody = {name: value for name, value in environment.items() if not name.startswith("AWS_")}
    nobody |= {"AWS_ENDPOINT_URL": environment["AWS_ENDPOINT_URL"], "AWS_EC2_METADATA_DISABLED": "true"}
    ended = elastiq("doctor", "--role", "web", environment={**nobody, "HOME": str(tmp_path)})
    assert ended.returncode == 1
    assert re.search(r"FAIL  credentials: there are none: .* HttpPutResponseHopLimit of 2", ended.stdout)


@pytest.mark.parametrize(
    ("ahead_s", "says"),
    [(-900, r"(899|900|901) s ahead of AWS's; AWS refuses"), (60, r"(59|60) s behind AWS's; at 300 s")],
)
def test_a_clock_that_is_wrong_is_found(
    environment: dict[str, str], proxy: FaultProxy, ahead_s: float, says: str
) -> None:
    proxy.date_ahead_s = ahead_s
    finding = found(environment, proxy)["clock"]
    assert finding.state is State.FAIL
    assert re.match(says, finding.says), finding.says


def test_a_bucket_that_is_refused_is_found_and_the_clock_told_all_the_same(
    environment: dict[str, str], proxy: FaultProxy
) -> None:
    proxy.fault("HeadObject", "403")
    proxy.date_ahead_s = 60
    findings = found(environment, proxy)
    assert "allow s3:ListBucket" in findings[f"bucket {environment['ELASTIQ_INPUT_BUCKET']}"].says
    assert findings["clock"].state is State.FAIL


def test_a_cloud_out_of_reach_is_a_finding_of_each(unmade: dict[str, str]) -> None:
    address = f"http://127.0.0.1:{free_port()}"
    findings = found({**unmade, "AWS_ENDPOINT_URL": address})
    failed = {what for what, finding in findings.items() if finding.state is State.FAIL}
    assert {"credentials", "clock", f"queue {unmade['ELASTIQ_QUEUE']}"} <= failed
    assert address in findings["clock"].says
