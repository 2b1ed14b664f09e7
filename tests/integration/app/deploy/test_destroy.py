"""`elastiq destroy`: nothing left that costs money, and nothing deleted that somebody may want."""

from __future__ import annotations

import json
from typing import Any

import pytest

from app import aws
from app.deploy.deploy import Wish, deploy
from app.deploy.destroy import destroy
from tests.policies import deployer
from tests.support.account import IMAGE, Account
from tests.support.bundles import HERE

TAG = {"Key": "elastiq-fleet", "Value": "elastiq"}


@pytest.fixture
def deployed(account: Account) -> Account:
    account.make()
    return account


def test_nothing_is_left_of_a_system_whose_buckets_are_empty(deployed: Account) -> None:
    said = deployed.run("destroy", "--yes")

    assert deployed.left() == {}
    assert "left:" not in said


def test_images_and_results_stay_unless_their_deletion_is_asked_for(deployed: Account) -> None:
    outputs = deployed.outputs()
    deployed.client("s3").put_object(Bucket=outputs["OutputBucket"], Key="b/x.jpg.txt", Body=b"(x.jpg, cat)")

    said = deployed.run("destroy", "--yes")

    assert deployed.left() == {"buckets": [outputs["OutputBucket"]]}
    assert f"left: the bucket {outputs['OutputBucket']}" in said


@pytest.mark.usefixtures("bundles")
def test_a_bucket_that_was_left_is_taken_on_by_the_next_system_and_goes_with_its_data(deployed: Account) -> None:
    bucket = deployed.outputs()["OutputBucket"]
    deployed.client("s3").put_object(Bucket=bucket, Key="b/x.jpg.txt", Body=b"(x.jpg, cat)")
    deployed.run("destroy", "--yes")

    said = deployed.deploy("--yes")
    assert f"the bucket {bucket} is there already and is taken on (OutputBucket)" in said
    assert deployed.outputs()["OutputBucket"] == bucket
    deployed.run("destroy", "--yes", "--data")

    assert deployed.left() == {}


def test_it_refuses_while_images_wait_unless_it_is_forced(deployed: Account) -> None:
    deployed.client("sqs").send_message(QueueUrl=deployed.outputs()["QueueUrl"], MessageBody="an image")

    assert "1 images wait or are in hand" in deployed.run("destroy", "--yes", status=2)
    assert deployed.stack()["StackStatus"] == "CREATE_COMPLETE"
    deployed.run("destroy", "--yes", "--force")

    assert deployed.left() == {}


def test_workers_and_the_queues_of_processes_that_were_killed_go_too(deployed: Account) -> None:
    ec2 = deployed.client("ec2")
    ours = {"ResourceType": "instance", "Tags": [TAG]}
    others = {"ResourceType": "instance", "Tags": [{"Key": "elastiq-fleet", "Value": "other"}]}
    run = {"ImageId": "ami-1", "MinCount": 1, "MaxCount": 1}
    (worker,) = ec2.run_instances(**run, TagSpecifications=[ours])["Instances"]
    (other,) = ec2.run_instances(**run, TagSpecifications=[others])["Instances"]
    deployed.client("sqs").create_queue(QueueName="elastiq-tasks-on-celery-1")
    deployed.client("sqs").create_queue(QueueName="another-queue")

    said = deployed.run("destroy", "--yes")

    assert "1 workers have ended" in said
    states = {
        one["InstanceId"]: one["State"]["Name"]
        for reservation in ec2.describe_instances()["Reservations"]
        for one in reservation["Instances"]
    }
    assert states[other["InstanceId"]] == "running"
    assert states.get(worker["InstanceId"], "terminated") == "terminated"
    (queue,) = deployed.left()["queues"]
    assert queue.endswith("/another-queue")


def test_it_asks_first(deployed: Account) -> None:
    said = deployed.run("destroy", answer="n\n", status=1)

    assert "remove the stack elastiq, its hosts and queues" in said
    assert deployed.stack()["StackStatus"] == "CREATE_COMPLETE"


def test_a_system_that_is_not_there_is_an_error_that_names_the_region(account: Account) -> None:
    assert "there is no system 'elastiq' in eu-central-1" in account.run("destroy", "--yes", status=2)


# Where IAM's word for a call is not the call's own. Source: service authorization reference, Amazon S3.
IAM = {
    "s3:HeadBucket": "s3:ListBucket",
    "s3:HeadObject": "s3:GetObject",
    "s3:ListObjectVersions": "s3:ListBucketVersions",
    "s3:DeleteObjects": "s3:DeleteObject",
    "s3:CreateMultipartUpload": "s3:PutObject",
    "s3:UploadPart": "s3:PutObject",
    "s3:CompleteMultipartUpload": "s3:PutObject",
}


@pytest.mark.usefixtures("bundles")
def test_every_call_of_both_commands_is_in_the_policy_of_who_deploys(account: Account) -> None:
    made: set[str] = set()

    def note(model: Any, **_: object) -> None:
        made.add(f"{model.service_model.signing_name}:{model.name}")

    wish = Wish("elastiq", dict([IMAGE.split("=")]), 0, HERE.python)
    events = aws.session().core
    events.register("before-call", note)
    try:
        assert deploy(account.settings, wish, lambda line: None, lambda: True)
        worker = account.client("ec2").run_instances(
            ImageId="ami-1", MinCount=1, MaxCount=1, TagSpecifications=[{"ResourceType": "instance", "Tags": [TAG]}]
        )
        destroy(account.settings, "elastiq", lambda line: None, lambda: True, look_s=0.1)
    finally:
        events.unregister("before-call", note)

    allowed = {action for statement in json.loads(deployer())["Statement"] for action in listed(statement["Action"])}
    assert worker["Instances"]
    assert {"cloudformation:ExecuteChangeSet", "s3:DeleteObjects", "ec2:TerminateInstances"} <= made
    assert {IAM.get(call, call) for call in made} - {"ec2:RunInstances"} <= allowed


def listed(actions: str | list[str]) -> list[str]:
    return [actions] if isinstance(actions, str) else actions
