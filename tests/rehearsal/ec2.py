"""The account's instances, as EC2's API reference has them; ministack has all else of EC2.

ministack starts one instance whatever MaxCount says, forgets user data, client tokens and launch templates at a launch,
and nothing of it can run. So this launches, lists, tags and ends; the machines themselves are in `hosts`.
"""

from __future__ import annotations

import base64
import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

ACTIONS = ("RunInstances", "DescribeInstances", "TerminateInstances", "CreateTags", "DeleteTags")
_CODES = {"pending": 0, "running": 16, "shutting-down": 32, "terminated": 48}
TEMPLATE_TAG = "aws:ec2launchtemplate:id"
VERSION_TAG = "aws:ec2launchtemplate:version"
_NOTICE = timedelta(minutes=2)


class Refused(Exception):
    """EC2's answer to what it does not do: its code, and why."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(slots=True, eq=False)
class Instance:
    """One instance, from its launch on; ``data`` is its launch template's, the call's own on top."""

    id: str
    data: dict[str, Any]
    tags: dict[str, str]
    role: str
    subnet: str
    launched_at: datetime
    reservation: str
    spot: bool
    state: str = "pending"
    reason: str = ""
    ends_at: datetime | None = None
    ended: threading.Event = field(default_factory=threading.Event)

    @property
    def user_data(self) -> bytes:
        """Return what the instance's metadata service hands out."""
        return base64.b64decode(self.data.get("UserData", ""))

    def described(self) -> dict[str, Any]:
        """Return what DescribeInstances says of it."""
        options = {"State": "applied", **self.data.get("MetadataOptions", {})}
        return {
            "InstanceId": self.id,
            "ImageId": self.data.get("ImageId"),
            "State": {"Code": _CODES[self.state], "Name": self.state},
            "StateTransitionReason": self.reason,
            "InstanceType": self.data.get("InstanceType"),
            "LaunchTime": self.launched_at,
            "SubnetId": self.subnet or None,
            "Placement": {"AvailabilityZone": "us-east-1a"},
            "InstanceLifecycle": "spot" if self.spot else None,
            "MetadataOptions": options,
            "IamInstanceProfile": self.data.get("IamInstanceProfile"),
            "Tags": [{"Key": key, "Value": value} for key, value in self.tags.items()],
        }


class Instances:
    """All instances of the account.

    Args:
        template: returns a launch template's version, as DescribeLaunchTemplateVersions has it, by RunInstances' own
            parameter.
        role: returns the name of the role of an instance profile, by the template's own words for it.
        subnets: returns the subnets that there are.
        start: brings an instance up; it calls `running` and `over`.
        clock: the time, UTC.
    """

    def __init__(
        self,
        template: Callable[[dict[str, str]], dict[str, Any]],
        role: Callable[[dict[str, str]], str],
        subnets: Callable[[], set[str]],
        start: Callable[[Instance], object],
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._template, self._role, self._subnets, self._start, self._clock = template, role, subnets, start, clock
        self._lock = threading.RLock()
        self._launches: dict[str, tuple[dict[str, Any], list[Instance]]] = {}
        self.all: dict[str, Instance] = {}
        self.stop: Callable[[Instance], object] = lambda instance: None

    def call(self, action: str, parameters: dict[str, Any]) -> dict[str, Any] | None:
        """Return the answer to one of `ACTIONS`; None where it is about no instance, and so not this's to answer."""
        with self._lock:
            if action == "RunInstances":
                return self._run(parameters)
            if action == "DescribeInstances":
                return self._describe(parameters)
            if action == "TerminateInstances":
                return self._terminate(parameters)
            return self._tag(action, parameters)

    def alive(self) -> list[Instance]:
        """Return the instances that are not terminated, oldest first."""
        with self._lock:
            return [instance for instance in self.all.values() if instance.state != "terminated"]

    def running(self, instance: Instance) -> None:
        """Note that its machine runs."""
        with self._lock:
            if instance.state == "pending":
                instance.state = "running"

    def over(self, instance: Instance) -> None:
        """Note that its machine is off, which by the launch template's word is its end."""
        with self._lock:
            instance.reason = instance.reason or "Client.InstanceInitiatedShutdown: Instance initiated shutdown"
            instance.state = "terminated"
            instance.ended.set()

    def interrupt(self, instance: Instance) -> None:
        """Give the two minutes' notice that a spot instance gets."""
        instance.ends_at = self._clock() + _NOTICE

    def tags(self, parameters: dict[str, Any]) -> dict[str, dict[str, str]]:
        """Return the tags of the instances that a call names."""
        named = [*parameters.get("InstanceId", []), *parameters.get("ResourceId", [])]
        with self._lock:
            return {id: dict(self.all[id].tags) for id in named if id in self.all}

    def _run(self, parameters: dict[str, Any]) -> dict[str, Any]:
        token = parameters.get("ClientToken", "")
        known = {name: value for name, value in parameters.items() if name != "ClientToken"}
        if token and token in self._launches:
            asked, came = self._launches[token]
            if asked != known:
                raise Refused("IdempotentParameterMismatch", f"the client token {token} was used with other parameters")
            return _reservation(came)
        version = self._template(parameters["LaunchTemplate"]) if "LaunchTemplate" in parameters else {}
        data = {**version.get("LaunchTemplateData", {}), **_own(parameters)}
        subnet = data.get("SubnetId") or next(
            (one["SubnetId"] for one in data.get("NetworkInterfaces", []) if "SubnetId" in one), ""
        )
        if subnet and subnet not in self._subnets():
            raise Refused("InvalidSubnetID.NotFound", f"The subnet ID '{subnet}' does not exist")
        if not data.get("ImageId"):
            raise Refused("MissingParameter", "The request must contain the parameter ImageId")
        tags = {**_tags_of(data.get("TagSpecifications", [])), **_tags_of(_specifications(parameters))}
        if version:
            tags |= {TEMPLATE_TAG: version["LaunchTemplateId"], VERSION_TAG: str(version["VersionNumber"])}
        role = self._role(data["IamInstanceProfile"]) if "IamInstanceProfile" in data else ""
        spot = "InstanceMarketOptions" in data
        reservation = f"r-{secrets.token_hex(9)[:17]}"
        came = [
            Instance(f"i-{secrets.token_hex(9)[:17]}", data, dict(tags), role, subnet, self._now(), reservation, spot)
            for _ in range(int(parameters["MaxCount"]))
        ]
        if token:
            self._launches[token] = known, came
        self.all.update({instance.id: instance for instance in came})
        for instance in came:
            self._start(instance)
        return _reservation(came)

    def _now(self) -> datetime:
        return self._clock().replace(microsecond=0)

    def _describe(self, parameters: dict[str, Any]) -> dict[str, Any]:
        ids = parameters.get("InstanceId", [])
        self._known(ids)
        found = [
            instance
            for instance in self.all.values()
            if (not ids or instance.id in ids) and all(_matches(instance, one) for one in parameters.get("Filter", []))
        ]
        return {"Reservations": [_reservation([instance]) for instance in found]}

    def _terminate(self, parameters: dict[str, Any]) -> dict[str, Any]:
        self._known(parameters["InstanceId"])
        changes = []
        for id in parameters["InstanceId"]:
            instance = self.all[id]
            before = {"Code": _CODES[instance.state], "Name": instance.state}
            if instance.state in ("pending", "running"):
                instance.state, instance.reason = "shutting-down", "Client.UserInitiatedShutdown"
                self.stop(instance)
            now = {"Code": _CODES[instance.state], "Name": instance.state}
            changes.append({"InstanceId": id, "PreviousState": before, "CurrentState": now})
        return {"TerminatingInstances": changes}

    def _tag(self, action: str, parameters: dict[str, Any]) -> dict[str, Any] | None:
        ids = parameters.get("ResourceId", [])
        if not all(id.startswith("i-") for id in ids):
            return None
        self._known(ids)
        for id in ids:
            for tag in parameters.get("Tag", []):
                if action == "DeleteTags":
                    self.all[id].tags.pop(tag["Key"], None)
                elif tag["Key"].startswith("aws:"):
                    raise Refused("InvalidParameterValue", "Tag keys starting with 'aws:' are reserved")
                else:
                    self.all[id].tags[tag["Key"]] = tag.get("Value", "")
        return {}

    def _known(self, ids: list[str]) -> None:
        if unknown := [id for id in ids if id not in self.all]:
            raise Refused("InvalidInstanceID.NotFound", f"The instance IDs '{', '.join(unknown)}' do not exist")


def _reservation(instances: list[Instance]) -> dict[str, Any]:
    return {"ReservationId": instances[0].reservation, "Instances": [instance.described() for instance in instances]}


def _own(parameters: dict[str, Any]) -> dict[str, Any]:
    """Return what a call states of its own, over its launch template."""
    names = ("ImageId", "InstanceType", "SubnetId", "InstanceMarketOptions", "UserData")
    behaviour = "InstanceInitiatedShutdownBehavior"
    return {name: parameters[name] for name in (*names, behaviour) if parameters.get(name)}


def _specifications(parameters: dict[str, Any]) -> list[dict[str, Any]]:
    return [{**one, "Tags": one.get("Tag", [])} for one in parameters.get("TagSpecification", [])]


def _tags_of(specifications: list[dict[str, Any]]) -> dict[str, str]:
    tags = [tag for one in specifications if one.get("ResourceType") == "instance" for tag in one["Tags"]]
    return {tag["Key"]: tag.get("Value", "") for tag in tags}


def _matches(instance: Instance, condition: dict[str, Any]) -> bool:
    name, wanted = condition["Name"], condition.get("Value", [])
    if name.startswith("tag:"):
        found = [instance.tags[name[4:]]] if name[4:] in instance.tags else []
    elif name == "tag-key":
        found = list(instance.tags)
    elif name == "instance-state-name":
        found = [instance.state]
    else:
        raise Refused("InvalidParameterValue", f"The filter '{name}' is invalid")
    return any(value in wanted for value in found)
