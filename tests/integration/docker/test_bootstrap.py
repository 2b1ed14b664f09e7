"""A host's set-up: from user data to started units, against a real bucket and a metadata service of its own."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app import aws
from app.deploy.bundle import TIERS
from app.local import EmbeddedCloud
from app.settings import AwsSettings
from tests.support import bundles
from tests.support.metadata import MetadataService, metadata_service
from tests.support.waiting import wait_for

GROUP = "/elastiq/hosts"
# What a host is told whose bundle is nowhere.
ABSENT: dict[str, Any] = {
    "bucket": "software",
    "key": f"bundles/worker-{'1' * 64}.tar.gz",
    "group": GROUP,
    "alive": "worker=/run/elastiq-worker/alive",
    "settings": {"ELASTIQ_QUEUE": "elastiq-tasks"},
    "units": {},
}


# A stack of one resource that waits for one signal, as the control host's group does.
WAITS = """
Resources:
  Control:
    Type: AWS::CloudFormation::WaitCondition
    CreationPolicy: {ResourceSignal: {Count: 1, Timeout: PT2M}}
"""


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedCloud]:
    """An embedded cloud with CloudWatch Logs and CloudFormation."""
    cloud = EmbeddedCloud(tmp_path_factory.mktemp("cloud"), services="s3,logs,cloudformation")
    cloud.start()
    yield cloud
    cloud.stop()


@pytest.fixture
def metadata() -> Iterator[MetadataService]:
    with metadata_service() as service:
        service.found.update(bundles.about_host())
        yield service


@pytest.fixture
def where(cloud: EmbeddedCloud) -> AwsSettings:
    return AwsSettings("eu-central-1", cloud.endpoint_url)


@pytest.fixture
def logs(where: AwsSettings) -> Any:
    client = aws.client("logs", where)
    if not client.describe_log_groups(logGroupNamePrefix=GROUP)["logGroups"]:
        client.create_log_group(logGroupName=GROUP)
    return client


def stored(where: AwsSettings, body: bytes, digest: str = "", tier: str = "worker") -> dict[str, Any]:
    """Put a bundle into the bucket; return what a host of it is told."""
    s3 = aws.client("s3", where)
    if "software" not in [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]:
        s3.create_bucket(Bucket="software", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    key = f"bundles/{tier}-{digest or hashlib.sha256(body).hexdigest()}.tar.gz"
    s3.put_object(Bucket="software", Key=key, Body=body)
    units = {tier: {"ELASTIQ_MODEL": 'odd "$name"'}}
    return {**ABSENT, "key": key, "units": units}


def small(**files: str) -> bytes:
    """Return a bundle with these units alone."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, text in files.items():
            entry = tarfile.TarInfo(f"units/elastiq-{name}.service")
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text.encode()))
    return packed.getvalue()


def said(logs: Any) -> list[dict[str, Any]]:
    """Return what the failed set-ups of hosts have told CloudWatch Logs."""
    found = logs.filter_log_events(logGroupName=GROUP)["events"]
    return [json.loads(event["message"]) for event in found]


def test_a_host_fetches_its_bundle_by_its_role_and_starts_its_units(
    cloud: EmbeddedCloud, where: AwsSettings, metadata: MetadataService, tmp_path: Path
) -> None:
    bundle = bundles.build(TIERS["worker"], tmp_path / "out")
    values = stored(where, bundle.path.read_bytes())

    status, console, told = bundles.set_up(values, tmp_path / "host", metadata.endpoint, cloud.endpoint_url)

    assert status == 0, console
    assert told.splitlines() == [
        "daemon-reload",
        "enable --now elastiq-logs.service elastiq-worker.service",
        "stop elastiq-deadline.timer",
    ]
    host = tmp_path / "host"
    assert (host / "opt/elastiq/packages/app/cli.py").is_file()
    assert (host / "etc/systemd/system/elastiq-worker.service").is_file()
    assert (host / "etc/elastiq/ready").is_file()
    assert not (host / "opt/elastiq.part").exists()
    ready = json.loads(console.splitlines()[-1])
    assert ready["event"] == "host_ready"
    assert ready["seconds"].keys() == {"fetch", "unpack", "start", "all"}
    assert "iam/security-credentials/elastiq-worker" in metadata.asked


def test_units_are_told_the_settings_the_region_the_instance_and_where_aws_is(
    cloud: EmbeddedCloud, where: AwsSettings, metadata: MetadataService, tmp_path: Path
) -> None:
    values = stored(where, small(worker="[Unit]\n"))

    bundles.set_up(values, tmp_path, metadata.endpoint, cloud.endpoint_url)

    lines = (tmp_path / "etc/elastiq/worker.env").read_text().splitlines()
    assert 'ELASTIQ_INSTANCE_ID="i-0123456789abcdef0"' in lines
    assert 'AWS_REGION="eu-central-1"' in lines
    assert 'ELASTIQ_QUEUE="elastiq-tasks"' in lines
    assert f'AWS_ENDPOINT_URL="{cloud.endpoint_url}"' in lines
    assert 'ELASTIQ_MODEL="odd \\"\\$name\\""' in lines
    logs = (tmp_path / "etc/elastiq/logs.env").read_text().splitlines()
    assert f'GROUP="{GROUP}"' in logs
    assert 'STREAM="i-0123456789abcdef0"' in logs


def test_a_process_with_a_role_of_its_own_takes_it_from_the_host_s(
    cloud: EmbeddedCloud, where: AwsSettings, metadata: MetadataService, tmp_path: Path
) -> None:
    values = stored(where, small(web="", autoscaler=""), tier="control")
    values["units"] = {"web": {"ROLE": "arn:aws:iam::123456789012:role/e-web"}, "autoscaler": {"ROLE": "arn:a"}}

    status, console, _ = bundles.set_up(values, tmp_path, metadata.endpoint, cloud.endpoint_url)

    assert status == 0, console
    roles = (tmp_path / "etc/elastiq/aws.conf").read_text()
    assert "[profile web]\nrole_arn = arn:aws:iam::123456789012:role/e-web\n" in roles
    assert roles.count("credential_source = Ec2InstanceMetadata") == 2
    environment = (tmp_path / "etc/elastiq/web.env").read_text()
    assert 'AWS_PROFILE="web"' in environment
    assert "ROLE=" not in environment


def test_a_bundle_that_is_not_what_its_name_says_powers_the_host_off_and_says_why(
    cloud: EmbeddedCloud, where: AwsSettings, metadata: MetadataService, logs: Any, tmp_path: Path
) -> None:
    values = stored(where, small(worker="tampered with"), digest="0" * 64)

    status, console, told = bundles.set_up(values, tmp_path, metadata.endpoint, cloud.endpoint_url)

    assert status == 1
    assert told.splitlines() == ["poweroff"]
    assert not (tmp_path / "opt/elastiq").exists()
    failed = said(logs)[-1]
    assert failed == json.loads(console.splitlines()[-1])
    assert failed["event"] == "host_setup_failed"
    assert failed["instance"] == "i-0123456789abcdef0"
    assert "has the SHA-256" in failed["reason"]
    assert "not the one in its name" in failed["reason"]


def test_a_bundle_that_is_not_there_is_not_asked_for_again(
    cloud: EmbeddedCloud, where: AwsSettings, metadata: MetadataService, logs: Any, tmp_path: Path
) -> None:
    stored(where, small(worker=""))

    status, console, told = bundles.set_up(ABSENT, tmp_path, metadata.endpoint, cloud.endpoint_url)

    assert (status, told) == (1, "poweroff\n")
    assert "404" in said(logs)[-1]["reason"]
    assert "host_setup_retried" not in console


def test_a_bucket_that_does_not_answer_is_asked_again_and_then_given_up(
    metadata: MetadataService, tmp_path: Path
) -> None:
    status, console, told = bundles.set_up(ABSENT, tmp_path, metadata.endpoint, "http://127.0.0.1:9")

    assert (status, told) == (1, "poweroff\n")
    events = [json.loads(line)["event"] for line in console.splitlines()]
    assert events == [*["host_setup_retried"] * 5, "host_setup_failed", "host_log_failed"]


def test_a_host_without_metadata_powers_itself_off(tmp_path: Path) -> None:
    status, _, told = bundles.set_up(ABSENT, tmp_path, "http://127.0.0.1:9", "http://127.0.0.1:9")

    assert (status, told) == (1, "poweroff\n")


def test_a_unit_that_does_not_start_powers_the_host_off(
    cloud: EmbeddedCloud, where: AwsSettings, metadata: MetadataService, logs: Any, tmp_path: Path
) -> None:
    values = stored(where, small(worker=""))

    status, _, told = bundles.set_up(values, tmp_path, metadata.endpoint, cloud.endpoint_url, failing="enable")

    assert status == 1
    assert told.splitlines()[-1] == "poweroff"
    assert "systemctl enable --now" in said(logs)[-1]["reason"]
    assert not (tmp_path / "etc/elastiq/ready").exists()


@pytest.mark.parametrize(
    ("body", "page", "status"),
    [
        (small(worker=""), "health", "CREATE_COMPLETE"),
        (small(worker=""), "nowhere", "ROLLBACK_COMPLETE"),
        (b"no bundle", "health", "ROLLBACK_COMPLETE"),
    ],
)
def test_a_stack_that_waits_for_a_host_is_told_whether_its_page_answers(
    cloud: EmbeddedCloud,
    where: AwsSettings,
    metadata: MetadataService,
    logs: Any,
    tmp_path: Path,
    body: bytes,
    page: str,
    status: str,
) -> None:
    cloudformation = aws.client("cloudformation", where)
    stack = cloudformation.create_stack(StackName=f"waits-{page}-{len(body)}", TemplateBody=WAITS)
    name = stack["StackId"]
    pages = {"health": f"{cloud.endpoint_url}/_ministack/health", "nowhere": "http://127.0.0.1:9/"}

    def stands() -> str:
        return str(cloudformation.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"])

    wait_for(lambda: "Control" in str(cloudformation.describe_stack_events(StackName=name)["StackEvents"]), 20)
    values = {**stored(where, body), "stack": name, "page": pages[page]}
    _, console, _ = bundles.set_up(values, tmp_path, metadata.endpoint, cloud.endpoint_url)

    assert "stack_not_told" not in console
    wait_for(lambda: not stands().endswith("IN_PROGRESS"), 20)
    assert stands() == status


def test_a_stack_that_does_not_wait_costs_a_host_nothing(
    cloud: EmbeddedCloud, where: AwsSettings, metadata: MetadataService, tmp_path: Path
) -> None:
    page = f"{cloud.endpoint_url}/_ministack/health"
    values = {**stored(where, small(worker="")), "stack": "none", "page": page}

    status, console, told = bundles.set_up(values, tmp_path, metadata.endpoint, cloud.endpoint_url)

    assert status == 0
    assert "stack_not_told" in console
    assert "poweroff" not in told


def test_what_is_baked_into_the_image_is_not_fetched(
    cloud: EmbeddedCloud, where: AwsSettings, metadata: MetadataService, tmp_path: Path
) -> None:
    values = stored(where, small(worker=""), digest="2" * 64)
    (tmp_path / "opt/elastiq/units").mkdir(parents=True)
    (tmp_path / "opt/elastiq/units/elastiq-worker.service").write_text("[Unit]\n")
    (tmp_path / "opt/elastiq/digest").write_text("2" * 64 + "\n")

    status, console, _ = bundles.set_up(values, tmp_path, metadata.endpoint, cloud.endpoint_url)

    assert status == 0, console
    assert (tmp_path / "etc/systemd/system/elastiq-worker.service").is_file()


def test_the_user_data_s_script_needs_nothing_but_the_standard_library_and_plain_letters() -> None:
    text = bundles.BOOTSTRAP.read_text()

    assert text.isascii()
    assert text.startswith("#!/usr/bin/python3 -I\n")
    # Room for the values and the rest of the user data, which has 16,384 bytes at most.
    assert len(text) < 13_000
