"""One stack: what is found of it, and what a change would do."""

from __future__ import annotations

import pytest

from app.deploy.stack import Change, Stack
from app.errors import ConfigurationError
from tests.support.account import Account

SMALL = """
Parameters:
  Name: {Type: String, Default: one}
  Seconds: {Type: Number, Default: 30}
Resources:
  Queue:
    Type: AWS::SQS::Queue
    Properties: {QueueName: !Ref Name, VisibilityTimeout: !Ref Seconds}
Outputs:
  Url: {Value: !Ref Queue}
"""


@pytest.fixture
def stack(account: Account) -> Stack:
    return Stack(account.settings.aws, "small", look_s=0.1)


def made(stack: Stack, **parameters: str) -> list[str]:
    told: list[str] = []
    change, _ = stack.prepare(SMALL, parameters, new=stack.find() is None)
    stack.carry_out(change, told.append)
    return told


def test_what_is_not_there_is_none(stack: Stack) -> None:
    assert stack.find() is None


def test_a_change_is_told_before_it_is_made(stack: Stack, account: Account) -> None:
    change, changes = stack.prepare(SMALL, {}, new=True)

    assert changes == [Change("Add", "Queue", "AWS::SQS::Queue")]
    assert not account.client("sqs").list_queues().get("QueueUrls")
    stack.forget(change, new=True)
    assert stack.find() is None


def test_each_step_is_told_and_then_what_there_is(stack: Stack) -> None:
    told = made(stack, Name="mine")

    assert "Queue create in progress" in told
    assert "Queue create complete" in told
    found = stack.find()
    assert found is not None
    assert found.status == "CREATE_COMPLETE"
    assert found.parameters == {"Name": "mine", "Seconds": "30"}
    assert found.outputs["Url"].endswith("/mine")


def test_what_is_not_given_again_stays_as_it_is(stack: Stack) -> None:
    made(stack, Name="mine")
    made(stack, Seconds="40")

    found = stack.find()
    assert found is not None
    assert found.parameters == {"Name": "mine", "Seconds": "40"}


def test_the_same_again_is_no_change(stack: Stack) -> None:
    made(stack)

    change, changes = stack.prepare(SMALL, {}, new=False)

    assert changes == []
    stack.forget(change, new=False)


def test_a_template_that_makes_no_sense_is_an_error_in_its_own_words(stack: Stack) -> None:
    with pytest.raises(ConfigurationError, match="Resources"):
        stack.prepare("Parameters: {}", {}, new=True)


def test_what_is_deleted_is_gone(stack: Stack, account: Account) -> None:
    made(stack)
    told: list[str] = []

    stack.delete(told.append)

    assert stack.find() is None
    assert not account.client("sqs").list_queues().get("QueueUrls")
    assert "Queue delete complete" in told
