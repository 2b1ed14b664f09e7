"""One stack of CloudFormation's: what it has, what a change would do to it, and the doing, told as it happens."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from app import aws
from app.errors import ConfigurationError
from app.settings import AwsSettings

# Between two looks: at first, and then more from look to look, until something happens.
FIRST_S, LOOK_S = 0.2, 3.0
Say = Callable[[str], object]
# A stack in these has nothing in it, and cannot be changed: it was never made.
_NEVER_MADE = ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "REVIEW_IN_PROGRESS", "CREATE_FAILED")
_REFUSED = {"ValidationError", "AlreadyExistsException", "InsufficientCapabilities", "LimitExceeded"}
_NO_CHANGE = ("didn't contain changes", "No updates are to be performed")


@dataclass(frozen=True, slots=True)
class Change:
    """What would become of one resource: ``action`` is Add, Modify or Remove."""

    action: str
    name: str
    kind: str


@dataclass(frozen=True, slots=True)
class Found:
    """A stack as it is: its status, its parameters and its outputs."""

    status: str
    parameters: dict[str, str]
    outputs: dict[str, str]


@contextmanager
def _translated(what: str) -> Iterator[None]:
    """Do as `aws.translated`, and know CloudFormation's own refusals, which no retry mends."""
    with aws.translated(what):
        try:
            yield
        except ClientError as err:
            if aws.error_code(err) not in _REFUSED:
                raise
            raise ConfigurationError(f"{what}: {err.response['Error'].get('Message', '')}") from err


class Stack:
    """The stack of one system.

    Every method raises `ConfigurationError` (a refusal; what failed, and why) or `TransientError`.

    Args:
        settings: the region and the endpoint.
        name: the stack's.
        look_s: seconds between two looks at what happens, at most.
    """

    def __init__(self, settings: AwsSettings, name: str, look_s: float = LOOK_S) -> None:
        self._client = aws.client("cloudformation", settings)
        self.name, self._look_s = name, look_s

    def find(self) -> Found | None:
        """Return the stack; None where there is none, or only what a first creation that failed has left."""
        found = self._find()
        return None if found is None or found.status in _NEVER_MADE else found

    def clear(self, say: Say) -> None:
        """Delete what a first creation that failed has left, if it did."""
        found = self._find()
        if found is not None and found.status in _NEVER_MADE:
            say(f"the last attempt was never finished ({found.status}): it is cleared away")
            self.delete(say)

    def prepare(self, template: str, parameters: dict[str, str], *, new: bool) -> tuple[str, list[Change]]:
        """Have CloudFormation find out what would change; nothing is changed yet.

        Args:
            template: its text, or the address of an object in S3 that has it.
            parameters: those that are given; an existing stack keeps its others.
            new: whether there is no stack yet.

        Returns:
            The name of the change, to `carry_out` or to `forget`, and what it would do; nothing where nothing would.
        """
        name = f"elastiq-{datetime.now(UTC):%Y%m%dt%H%M%S%f}"
        source = {"TemplateURL" if template.startswith("http") else "TemplateBody": template}
        with _translated(f"preparing the stack {self.name!r}"):
            known = self._client.validate_template(**source)["Parameters"]
            given = self._parameters([parameter["ParameterKey"] for parameter in known], parameters, new=new)
            self._client.create_change_set(
                StackName=self.name,
                ChangeSetName=name,
                ChangeSetType="CREATE" if new else "UPDATE",
                **source,
                Parameters=given,
                Capabilities=["CAPABILITY_NAMED_IAM"],
            )
            return name, self._changes(name)

    def carry_out(self, change: str, say: Say) -> None:
        """Do it, and tell each step as it happens, until all is done."""
        since = datetime.now(UTC)
        with _translated(f"changing the stack {self.name!r}"):
            self._client.execute_change_set(StackName=self.name, ChangeSetName=change)
        self._follow(since, say)

    def forget(self, change: str, *, new: bool) -> None:
        """Do nothing; of a stack that is not there yet, nothing stays."""
        with _translated(f"leaving the stack {self.name!r} as it is"):
            self._client.delete_change_set(StackName=self.name, ChangeSetName=change)
            if new:
                self._client.delete_stack(StackName=self.name)

    def delete(self, say: Say) -> None:
        """Delete it, and tell each step, until it is gone."""
        since = datetime.now(UTC)
        with _translated(f"deleting the stack {self.name!r}"):
            id = self._client.describe_stacks(StackName=self.name)["Stacks"][0]["StackId"]
            self._client.delete_stack(StackName=self.name)
        self._follow(since, say, id)

    def _find(self) -> Found | None:
        with _translated(f"looking for the stack {self.name!r}"):
            try:
                stack = self._client.describe_stacks(StackName=self.name)["Stacks"][0]
            except ClientError as err:
                if aws.error_code(err) == "ValidationError" and "does not exist" in str(err):
                    return None
                raise
        if stack["StackStatus"] == "DELETE_COMPLETE":
            return None
        parameters = {one["ParameterKey"]: one.get("ParameterValue", "") for one in stack.get("Parameters", [])}
        outputs = {one["OutputKey"]: one["OutputValue"] for one in stack.get("Outputs", [])}
        return Found(stack["StackStatus"], parameters, outputs)

    def _parameters(self, known: list[str], given: dict[str, str], *, new: bool) -> list[dict[str, Any]]:
        unknown = sorted(given.keys() - set(known))
        if unknown:
            raise ConfigurationError(
                f"the template has no parameter {', '.join(unknown)}; its parameters are {', '.join(sorted(known))}"
            )
        found = None if new else self._find()
        kept = (found.parameters.keys() if found else set()) & set(known) - given.keys()
        told: list[dict[str, Any]] = [{"ParameterKey": key, "ParameterValue": value} for key, value in given.items()]
        return told + [{"ParameterKey": key, "UsePreviousValue": True} for key in sorted(kept)]

    def _changes(self, name: str) -> list[Change]:
        pause_s = FIRST_S
        while True:
            answer = self._client.describe_change_set(StackName=self.name, ChangeSetName=name)
            if answer["Status"] not in ("CREATE_PENDING", "CREATE_IN_PROGRESS"):
                break
            time.sleep(min(pause_s, self._look_s))
            pause_s *= 1.5
        reason = answer.get("StatusReason", "")
        if answer["Status"] == "FAILED" and not any(words in reason for words in _NO_CHANGE):
            raise ConfigurationError(f"the stack {self.name!r} cannot be changed so: {reason}")
        found = [one["ResourceChange"] for one in self._pages(name) if "ResourceChange" in one]
        return [Change(one["Action"], one["LogicalResourceId"], one["ResourceType"]) for one in found]

    def _pages(self, name: str) -> Iterator[dict[str, Any]]:
        token: dict[str, str] = {}
        while True:
            answer = self._client.describe_change_set(StackName=self.name, ChangeSetName=name, **token)
            yield from answer.get("Changes", [])
            if not answer.get("NextToken"):
                return
            token = {"NextToken": answer["NextToken"]}

    def _follow(self, since: datetime, say: Say, id: str = "") -> None:
        """Tell what happens until it is over; raise what went wrong first, if something did."""
        told: set[str] = set()
        failed: list[str] = []
        pause_s = FIRST_S
        while True:
            with _translated(f"following the stack {self.name!r}"):
                status = self._client.describe_stacks(StackName=id or self.name)["Stacks"][0]["StackStatus"]
                events = self._events(id or self.name, since)
            for event in events:
                if event["EventId"] in told:
                    continue
                told.add(event["EventId"])
                pause_s = FIRST_S
                reason = event.get("ResourceStatusReason", "")
                line = f"{event['LogicalResourceId']} {event['ResourceStatus'].lower().replace('_', ' ')}"
                say(f"{line}: {reason}" if "FAILED" in event["ResourceStatus"] else line)
                if "FAILED" in event["ResourceStatus"] and "cancelled" not in reason:
                    failed.append(f"{event['LogicalResourceId']}: {reason}")
            if not status.endswith("_IN_PROGRESS"):
                break
            time.sleep(min(pause_s, self._look_s))
            pause_s *= 1.5
        if "ROLLBACK" in status or status.endswith("FAILED"):
            reasons = self._invalid(id or self.name) or failed or ["not told"]
            raise ConfigurationError(
                f"the stack {self.name!r} could not be changed ({status}); the first to fail was {reasons[0]}. "
                "Mend that, and run the same command again"
            )

    def _invalid(self, id: str) -> list[str]:
        """Return what CloudFormation found wrong before it began, which is not among a stack's events."""
        with _translated(f"following the stack {self.name!r}"):
            answer = self._client.describe_events(StackName=id, Filters={"FailedEvents": True})
        found = [event for event in answer.get("OperationEvents", []) if event.get("ValidationStatusReason")]
        return [f"{event.get('LogicalResourceId', self.name)}: {event['ValidationStatusReason']}" for event in found]

    def _events(self, id: str, since: datetime) -> list[dict[str, Any]]:
        """Return what has happened ``since``, oldest first."""
        found = []
        for page in self._client.get_paginator("describe_stack_events").paginate(StackName=id):
            recent = [event for event in page["StackEvents"] if event["Timestamp"].timestamp() >= since.timestamp() - 1]
            found += recent
            if len(recent) < len(page["StackEvents"]):
                break
        return found[::-1]
