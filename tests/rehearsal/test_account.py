"""The rehearsal's account: who calls is known, what is asked is carried out as EC2 does, and a forged call is not."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from app.settings import Settings
from app.storage import Storage
from tests.rehearsal.account import REGION, Account, account
from tests.rehearsal.ec2 import Instance
from tests.rehearsal.groups import GROUP_TAG
from tests.rehearsal.identities import Keys
from tests.support.waiting import wait_for

TEMPLATE = """
AWSTemplateFormatVersion: "2010-09-09"
Parameters:
  Words: {Type: String, Default: one}
Resources:
  Role:
    Type: AWS::IAM::Role
    Properties:
      RoleName: crew
      AssumeRolePolicyDocument: {Version: "2012-10-17", Statement: []}
  Profile:
    Type: AWS::IAM::InstanceProfile
    Properties: {InstanceProfileName: crew, Roles: [!Ref Role]}
  Template:
    Type: AWS::EC2::LaunchTemplate
    Properties:
      LaunchTemplateName: crew
      LaunchTemplateData:
        ImageId: ami-1
        InstanceType: c7i.large
        IamInstanceProfile: {Arn: !GetAtt Profile.Arn}
        InstanceInitiatedShutdownBehavior: terminate
        UserData: {"Fn::Base64": !Ref Words}
        MetadataOptions: {HttpTokens: required}
        TagSpecifications:
          - {ResourceType: instance, Tags: [{Key: fleet, Value: crew}]}
"""
GROUP = """
  Group:
    Type: AWS::AutoScaling::AutoScalingGroup
    Properties:
      AutoScalingGroupName: control
      MinSize: "1"
      MaxSize: "1"
      AvailabilityZones: [us-east-1a]
      LaunchTemplate: {LaunchTemplateId: !Ref Template, Version: !GetAtt Template.LatestVersionNumber}
"""


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    with account(tmp_path_factory.mktemp("account")) as running:
        running.instances.stop = running.instances.over
        yield running


@pytest.fixture(scope="module")
def address(there: Account) -> str:
    return there.serve()


@pytest.fixture(scope="module")
def operator(there: Account) -> Keys:
    return there.identities.lasting("deployer")


def client(address: str, keys: Keys, service: str) -> Any:
    return boto3.client(
        service,
        region_name=REGION,
        endpoint_url=address,
        aws_access_key_id=keys.key,
        aws_secret_access_key=keys.secret,
        aws_session_token=keys.token or None,
        config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}),
    )


@pytest.fixture(scope="module")
def template(address: str, operator: Keys) -> str:
    client(address, operator, "cloudformation").create_stack(StackName="crew", TemplateBody=TEMPLATE)
    client(address, operator, "cloudformation").get_waiter("stack_create_complete").wait(StackName="crew")
    return "crew"


def test_a_call_is_written_down_with_the_role_that_signed_it(there: Account, address: str) -> None:
    worker = there.identities.temporary("worker", "i-1", timedelta(hours=1))

    client(address, worker, "sqs").create_queue(QueueName="tasks")

    (call,) = there.made("CreateQueue", QueueName="tasks")
    assert (call.role, call.session, call.service, call.status) == ("worker", "i-1", "sqs", 200)


def test_objects_go_there_and_back_by_boto3_and_by_obstore(
    address: str, operator: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    s3 = client(address, operator, "s3")
    for bucket in ("in-put", "out-put"):
        s3.create_bucket(Bucket=bucket)
    for name, value in operator.environment().items():
        monkeypatch.setenv(name, value)
    names = {"INPUT": "in-put", "OUTPUT": "out-put"}
    buckets = {f"ELASTIQ_{name}_BUCKET": bucket for name, bucket in names.items()}
    storage = Storage(
        Settings.from_environment({"AWS_ENDPOINT_URL": address, "AWS_REGION": REGION, "ELASTIQ_QUEUE": "q", **buckets})
    )
    storage.put_image("a/b c+d.jpg", b"an image" * 1000, "image/jpeg")

    assert s3.get_object(Bucket="in-put", Key="a/b c+d.jpg")["Body"].read() == b"an image" * 1000


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"secret": "guessed"}, "SignatureDoesNotMatch"),
        ({"token": "old"}, "SignatureDoesNotMatch"),
        ({"key": "AKIANOBODY"}, "InvalidClientTokenId"),
    ],
)
def test_a_forged_call_is_refused(there: Account, address: str, change: dict[str, str], code: str) -> None:
    keys = there.identities.temporary("worker", "i-2", timedelta(hours=1))
    forged = Keys(keys.role, keys.session, **{"key": keys.key, "secret": keys.secret, "token": keys.token, **change})

    with pytest.raises(ClientError, match=code):
        client(address, forged, "ec2").describe_instances()


def test_keys_are_good_until_they_expire(there: Account, address: str) -> None:
    with pytest.raises(ClientError, match="ExpiredToken"):
        client(address, there.identities.temporary("worker", "i-3", timedelta(0)), "ec2").describe_instances()


def test_who_assumes_a_role_calls_by_its_name(there: Account, address: str, operator: Keys, template: str) -> None:
    given = client(address, operator, "sts").assume_role(
        RoleArn="arn:aws:iam::000000000000:role/crew", RoleSessionName="me"
    )
    assumed = Keys("", "", *(given["Credentials"][name] for name in ("AccessKeyId", "SecretAccessKey", "SessionToken")))

    arn = client(address, assumed, "sts").get_caller_identity()["Arn"]

    assert arn == "arn:aws:sts::000000000000:assumed-role/crew/me"
    assert there.calls[-1].role == "crew"


def launched(address: str, keys: Keys, **more: Any) -> list[dict[str, Any]]:
    answer = client(address, keys, "ec2").run_instances(
        LaunchTemplate={"LaunchTemplateName": "crew", "Version": "$Latest"}, MinCount=1, **more
    )
    return list(answer["Instances"])


def test_a_launch_is_the_template_s_and_the_same_token_launches_nothing_twice(
    there: Account, address: str, operator: Keys, template: str
) -> None:
    tags = [{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": "a worker"}]}]
    first = launched(address, operator, MaxCount=2, ClientToken="t-1", TagSpecifications=tags)
    again = launched(address, operator, MaxCount=2, ClientToken="t-1", TagSpecifications=tags)

    assert [one["InstanceId"] for one in first] == [one["InstanceId"] for one in again]
    instance = there.instances.all[first[0]["InstanceId"]]
    assert (instance.user_data, instance.role) == (b"one", "crew")
    described = instance.described()
    assert described["MetadataOptions"]["HttpTokens"] == "required"
    assert instance.tags["fleet"] == "crew"
    assert instance.tags["Name"] == "a worker"
    assert instance.tags["aws:ec2launchtemplate:version"] == "1"
    with pytest.raises(ClientError, match="IdempotentParameterMismatch"):
        launched(address, operator, MaxCount=3, ClientToken="t-1", TagSpecifications=tags)


def test_instances_are_found_by_tag_and_state_and_end(
    there: Account, address: str, operator: Keys, template: str
) -> None:
    api = client(address, operator, "ec2")
    (instance,) = (one["InstanceId"] for one in launched(address, operator, MaxCount=1))
    api.create_tags(Resources=[instance], Tags=[{"Key": "mine", "Value": "yes"}])
    there.instances.running(there.instances.all[instance])

    def found() -> list[str]:
        wanted = [{"Name": "tag:mine", "Values": ["yes"]}, {"Name": "instance-state-name", "Values": ["running"]}]
        answer = api.describe_instances(Filters=wanted)
        return [one["InstanceId"] for each in answer["Reservations"] for one in each["Instances"]]

    assert found() == [instance]
    api.terminate_instances(InstanceIds=[instance])
    assert found() == []
    (call,) = there.made("TerminateInstances")
    assert call.tags[instance]["mine"] == "yes"
    with pytest.raises(ClientError, match="NotFound"):
        api.terminate_instances(InstanceIds=["i-0"])


def test_a_group_of_one_is_replaced_new_one_first_and_ends_with_its_stack(
    there: Account, address: str, operator: Keys
) -> None:
    api = client(address, operator, "cloudformation")
    body = TEMPLATE.replace("crew", "host") + GROUP
    api.create_stack(StackName="host", TemplateBody=body)

    def members() -> list[Instance]:
        return there.groups.members("control")

    wait_for(lambda: len(members()) == 1, 20)
    (first,) = members()
    assert first.tags[GROUP_TAG] == "control"
    there.instances.running(first)
    api.update_stack(
        StackName="host", TemplateBody=body, Parameters=[{"ParameterKey": "Words", "ParameterValue": "two"}]
    )
    wait_for(lambda: len(members()) == 2, 20)
    assert first.state == "running"
    there.groups.waits = True
    there.instances.running(members()[1])
    told = {"StackName": "host", "LogicalResourceId": "Group", "UniqueId": members()[1].id}
    api.signal_resource(**told, Status="FAILURE")
    there.groups.step()
    assert first.state == "running"
    api.signal_resource(**told, Status="SUCCESS")
    wait_for(lambda: first.state == "terminated", 20)
    (second,) = members()
    assert second.user_data == b"two"
    there.instances.over(second)
    wait_for(lambda: bool(members()), 20)
    assert members()[0] is not second

    groups = client(address, operator, "autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"]
    assert [one["InstanceId"] for one in groups[0]["Instances"]] == [members()[0].id]
    api.delete_stack(StackName="host")
    wait_for(lambda: not members(), 20)
