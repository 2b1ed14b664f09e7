"""`elastiq provision` against the embedded cloud, and against S3's refusals as S3 words them."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from botocore.exceptions import ClientError

from app import aws
from app.account.provision import provision
from app.aws.queues import dead_letter_queue
from app.errors import ConfigurationError
from app.settings import Settings
from tests.support.command import elastiq


def attributes(config: Settings, queue: str) -> dict[str, str]:
    sqs = aws.client("sqs", config.aws)
    url = sqs.get_queue_url(QueueName=queue)["QueueUrl"]
    return dict(sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"])


def test_everything_is_made_once_and_found_ever_after(unmade: dict[str, str]) -> None:
    config = Settings.from_environment(unmade)
    names = [
        f"input bucket {config.buckets.input}",
        f"output bucket {config.buckets.output}",
        f"dead-letter queue {config.queue.name}-dead",
        f"task queue {config.queue.name}",
        f"bulk queue {config.queue.name}-bulk",
        f"events topic arn:aws:sns:us-east-1:000000000000:{config.queue.name}-events",
    ]

    assert provision(config) == [f"{name}: made" for name in names]
    assert provision(config) == [f"{name}: found" for name in names]


def test_the_command_prints_what_it_made(unmade: dict[str, str]) -> None:
    ended = elastiq("provision", environment=unmade)

    assert ended.returncode == 0
    assert f"task queue {unmade['ELASTIQ_QUEUE']}: made" in ended.stdout.splitlines()


def test_provisioning_twice_at_once_makes_no_trouble(unmade: dict[str, str]) -> None:
    config = Settings.from_environment({**unmade, "AWS_REGION": "eu-central-1"})

    with ThreadPoolExecutor(4) as pool:
        lines = [line for done in pool.map(provision, [config] * 4) for line in done]

    assert len(lines) == 24


def test_a_message_that_fails_five_times_goes_to_the_dead_letter_queue(config: Settings) -> None:
    redrive = json.loads(attributes(config, config.queue.name)["RedrivePolicy"])

    assert int(redrive["maxReceiveCount"]) == 5
    assert redrive["deadLetterTargetArn"] == attributes(config, dead_letter_queue(config.queue.name))["QueueArn"]
    assert json.loads(attributes(config, config.queue.bulk)["RedrivePolicy"]) == redrive


def test_messages_are_kept_for_two_weeks_leased_for_half_a_minute_and_polled_long(config: Settings) -> None:
    task_queue, dead = attributes(config, config.queue.name), attributes(config, dead_letter_queue(config.queue.name))

    assert task_queue["MessageRetentionPeriod"] == dead["MessageRetentionPeriod"] == str(14 * 24 * 3600)
    assert task_queue["VisibilityTimeout"] == "30"
    assert task_queue["ReceiveMessageWaitTimeSeconds"] == "20"


def test_a_queue_that_was_set_otherwise_is_set_right(config: Settings) -> None:
    sqs = aws.client("sqs", config.aws)
    url = sqs.get_queue_url(QueueName=config.queue.name)["QueueUrl"]
    before = attributes(config, config.queue.name)
    sqs.set_queue_attributes(
        QueueUrl=url, Attributes={"VisibilityTimeout": "1800", "RedrivePolicy": "", "MessageRetentionPeriod": "60"}
    )
    assert attributes(config, config.queue.name)["VisibilityTimeout"] == "1800"

    provision(config)

    after = attributes(config, config.queue.name)
    for name in ("VisibilityTimeout", "RedrivePolicy", "MessageRetentionPeriod"):
        assert after[name] == before[name]


def test_nobody_can_make_the_buckets_public(config: Settings) -> None:
    s3 = aws.client("s3", config.aws)
    for bucket in (config.buckets.input, config.buckets.output):
        assert all(s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"].values())


def rules(config: Settings, bucket: str = "output") -> list[dict[str, Any]]:
    name = getattr(config.buckets, bucket)
    answer = aws.client("s3", config.aws).get_bucket_lifecycle_configuration(Bucket=name)
    return list(answer["Rules"])


def days(config: Settings, bucket: str) -> dict[str, int]:
    return {rule["Filter"]["Prefix"]: rule["Expiration"]["Days"] for rule in rules(config, bucket)}


def test_task_results_promises_and_what_is_staged_expire_in_days_and_classifications_never(config: Settings) -> None:
    assert days(config, "input") == {"_staged/": 1}
    assert days(config, "output") == {"_celery/": 1, "_batches/_idempotency/": 2}
    assert {rule["Status"] for rule in rules(config)} == {"Enabled"}


def test_the_lifecycle_rules_of_the_buckets_owner_stay(config: Settings) -> None:
    theirs = {"ID": "theirs", "Status": "Enabled", "Filter": {"Prefix": "old/"}, "Expiration": {"Days": 90}}
    aws.client("s3", config.aws).put_bucket_lifecycle_configuration(
        Bucket=config.buckets.output, LifecycleConfiguration={"Rules": [theirs]}
    )

    provision(config)
    provision(config)

    assert sorted(rule["ID"] for rule in rules(config)) == ["elastiq-promises", "elastiq-task-results", "theirs"]
    assert theirs in rules(config)


def test_pages_are_let_in_where_their_files_go_straight_to_the_bucket(config: Settings) -> None:
    s3 = aws.client("s3", config.aws)
    with pytest.raises(ClientError, match="NoSuchCORSConfiguration"):
        s3.get_bucket_cors(Bucket=config.buckets.input)
    theirs = {"AllowedOrigins": ["https://theirs.example"], "AllowedMethods": ["GET"]}
    s3.put_bucket_cors(Bucket=config.buckets.input, CORSConfiguration={"CORSRules": [theirs]})

    for origins in ("https://old.example", "https://a.example, http://127.0.0.1:8000"):
        provision(replace(config, web=replace(config.web, direct_uploads=origins)))

    first, ours = s3.get_bucket_cors(Bucket=config.buckets.input)["CORSRules"]
    assert first == theirs
    assert ours["AllowedOrigins"] == ["https://a.example", "http://127.0.0.1:8000"]
    assert ours["AllowedMethods"] == ["POST"]


def test_a_region_of_ones_own_is_respected(unmade: dict[str, str]) -> None:
    config = Settings.from_environment({**unmade, "AWS_REGION": "eu-central-1"})

    provision(config)

    s3 = aws.client("s3", config.aws)
    assert s3.get_bucket_location(Bucket=config.buckets.input)["LocationConstraint"] == "eu-central-1"


def test_a_bucket_in_another_region_is_an_error_that_names_it(unmade: dict[str, str]) -> None:
    provision(Settings.from_environment({**unmade, "AWS_REGION": "eu-central-1"}))

    with pytest.raises(ConfigurationError, match=r"is in eu-central-1, not in us-east-1; set AWS_REGION=eu-central-1"):
        provision(Settings.from_environment({**unmade, "AWS_REGION": "us-east-1"}))


@pytest.fixture
def foreign(request: pytest.FixtureRequest) -> Iterator[tuple[str, list[str]]]:
    """An S3 where every bucket's name is another account's: HEAD answers as told, PUT that the name is taken."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            asked.append("HEAD")
            self.send_response(request.param)
            self.end_headers()

        def do_PUT(self) -> None:
            asked.append("PUT")
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            body = b"<Error><Code>BucketAlreadyExists</Code><Message>The name is taken.</Message></Error>"
            self.send_response(409)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize(("foreign", "calls"), [(403, ["HEAD"]), (404, ["HEAD", "PUT"])], indirect=["foreign"])
def test_a_bucket_of_somebody_else_is_an_error_that_says_which_variable_to_set(
    foreign: tuple[str, list[str]], calls: list[str]
) -> None:
    address, asked = foreign
    config = Settings.from_environment({"AWS_ENDPOINT_URL": address, "ELASTIQ_INPUT_BUCKET": "images"})

    with pytest.raises(ConfigurationError, match=r"'images' is there.*another account's; set ELASTIQ_INPUT_BUCKET"):
        provision(config)
    assert asked == calls
