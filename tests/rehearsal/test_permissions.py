"""Recorded calls against policies: what is not allowed is told, and what nothing needed is."""

from __future__ import annotations

from typing import Any

import pytest

from tests.rehearsal.account import Account
from tests.rehearsal.calls import Call
from tests.rehearsal.permissions import Role, judge

ARN = "arn:aws:{}:us-east-1:000000000000:{}"
TRUST: dict[str, Any] = {"Version": "2012-10-17", "Statement": []}
TAGGED = {"StringEquals": {"aws:ResourceTag/elastiq-fleet": "crew"}}


def role(*statements: dict[str, Any]) -> Role:
    document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **one} for one in statements]}
    return Role("crew", {"own": document}, TRUST)


def call(service: str, action: str, status: int = 200, **parameters: Any) -> Call:
    return Call(0, "crew", "i-1", service, action, parameters, status)


@pytest.fixture
def nothing(tmp_path: Any) -> Account:
    """An account that is never started: these calls launch nothing."""
    return Account(tmp_path)


QUEUE = {"Action": "sqs:SendMessage", "Resource": ARN.format("sqs", "tasks")}
READ = {"Action": "s3:GetObject", "Resource": "arn:aws:s3:::in/*"}
LIST = {"Action": "s3:ListBucket", "Resource": "arn:aws:s3:::in"}
END = {"Action": "ec2:TerminateInstances", "Resource": ARN.format("ec2", "instance/*"), "Condition": TAGGED}


@pytest.mark.parametrize(
    ("allowed", "made", "denied"),
    [
        ([QUEUE], call("sqs", "SendMessageBatch", QueueUrl="http://x/000000000000/tasks"), ""),
        ([QUEUE], call("sqs", "SendMessage", QueueUrl="http://x/000000000000/other"), "sqs:SendMessage"),
        ([READ], call("s3", "GetObject", Bucket="in", Key="a/b.jpg"), ""),
        ([READ], call("s3", "PutObject", Bucket="in", Key="a/b.jpg"), "s3:PutObject"),
        ([READ], call("s3", "HeadObject", 404, Bucket="in", Key="a/b.jpg"), "s3:ListBucket"),
        ([READ, LIST], call("s3", "HeadObject", 404, Bucket="in", Key="a/b.jpg"), ""),
        (
            [{**READ, "Action": "s3:PutObject"}],
            call("s3", "PutObject", Bucket="in", Key="l", IfMatch="yes"),
            "s3:GetObject",
        ),
        ([], call("sqs", "DeleteMessageBatch", 400, QueueUrl="http://x/000000000000/gone"), "sqs:DeleteMessage"),
        ([QUEUE], call("sns", "PublishBatch", TopicArn=ARN.format("sns", "events")), "sns:Publish"),
    ],
)
def test_what_no_policy_allows_is_told(nothing: Account, allowed: list[Any], made: Call, denied: str) -> None:
    verdict = judge([made], [role(*allowed)], nothing)

    assert len(verdict.denied) == bool(denied)
    assert denied in " ".join(verdict.denied)


def test_an_instance_is_ended_by_its_tag(nothing: Account) -> None:
    ending = call("ec2", "TerminateInstances", InstanceId=["i-0123456789abcdef0"])

    assert judge([ending], [role(END)], nothing).denied
    ending.tags = {"i-0123456789abcdef0": {"elastiq-fleet": "crew"}}
    assert not judge([ending], [role(END)], nothing).denied


def test_what_nothing_needed_is_told(nothing: Account) -> None:
    wide = role(
        {"Action": ["s3:GetObject", "s3:PutObject"], "Resource": ["arn:aws:s3:::in/*", "arn:aws:s3:::out/*"]}, LIST
    )

    verdict = judge([call("s3", "GetObject", Bucket="in", Key="a")], [wide], nothing)

    assert verdict.unused(wide) == ["s3:GetObject on out/* alone", "s3:ListBucket on in", "s3:PutObject on in/*, out/*"]
    assert verdict.table([wide])[0]["calls"] == 1


def test_a_role_is_assumed_by_whom_it_trusts(nothing: Account) -> None:
    arn = "arn:aws:iam::000000000000:role/other"
    by = {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::000000000000:role/crew"}, "Action": "sts:AssumeRole"}
    may = role({"Action": "sts:AssumeRole", "Resource": arn})
    assume = call("sts", "AssumeRole", RoleArn=arn)

    trusting = Role("other", {}, {"Version": "2012-10-17", "Statement": [by]})
    assert not judge([assume], [may, trusting], nothing).denied
    other = {**by, "Principal": {"AWS": "arn:aws:iam::000000000000:role/third"}}
    assert judge([assume], [may, Role("other", {}, {"Version": "2012-10-17", "Statement": [other]})], nothing).denied
