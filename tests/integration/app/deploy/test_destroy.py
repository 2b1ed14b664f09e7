"""`elastiq destroy`: nothing left that costs money, and nothing deleted that somebody may want."""

from __future__ import annotations

import pytest

from tests.support.account import Account


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
    tags = [{"Key": "elastiq-fleet", "Value": "elastiq"}]
    ours = {"ResourceType": "instance", "Tags": tags}
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
