"""Instances on EC2, started from a launch template and known by a tag.

What it must get right: a lost answer launches nothing twice (ClientToken); a place without room is passed over, spot
before on demand, one instance type before the next, zone by zone; and an instance that DescribeInstances does not list
yet still counts (the ledger).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import structlog
from botocore.exceptions import ClientError

from app import aws
from app.domain import DRAIN_TAG, Instance, InstanceState
from app.errors import ConfigurationError
from app.settings import Settings
from autoscaler.fleet.port import NoRoom

log = structlog.get_logger(__name__)

FLEET_TAG = "elastiq-fleet"
# DescribeInstances lists a new instance within seconds, now and then within minutes.
LEDGER = timedelta(minutes=5)

# Source: EC2 API reference, error codes. The next zone, the next type, or the other market may have room.
_NO_ROOM = {
    "InsufficientInstanceCapacity",
    "InsufficientHostCapacity",
    "InsufficientReservedInstanceCapacity",
    "InsufficientFreeAddressesInSubnet",
    "InstanceLimitExceeded",
    "MaxSpotInstanceCountExceeded",
    "SpotMaxPriceTooLow",
    "Unsupported",
    "VcpuLimitExceeded",
}
_SPOT = {
    "MarketType": "spot",
    "SpotOptions": {"SpotInstanceType": "one-time", "InstanceInterruptionBehavior": "terminate"},
}
_REFUSED = ("UnauthorizedOperation", "AuthFailure", "Invalid", "Idempotent", "MissingParameter")


@dataclass(frozen=True, slots=True)
class _Place:
    """Where instances may come from; an empty type or subnet is the launch template's own."""

    number: int
    spot: bool
    type: str
    subnet: str

    def request(self) -> dict[str, Any]:
        """Return its part of a RunInstances call."""
        return {
            **({"InstanceMarketOptions": _SPOT} if self.spot else {}),
            **({"InstanceType": self.type} if self.type else {}),
            **({"SubnetId": self.subnet} if self.subnet else {}),
        }

    def __str__(self) -> str:
        market = "spot" if self.spot else "on demand"
        return ", ".join([market, self.type or "the template's type", self.subnet or "the template's subnet"])


@dataclass(slots=True)
class _Launch:
    """How far one launch has come, so that trying again goes on where the answer was lost."""

    token: str
    wanted: int
    places: list[_Place]
    came: list[Instance] = field(default_factory=list)


class Ec2Fleet:
    """The instances that carry this fleet's tag.

    Args:
        settings: of ``ec2`` the ``launch_template`` (its name or id), ``subnets`` and ``instance_types`` to launch
            (else its own), ``spot``, and the name of the ``fleet``.
        tell: tells the workers of instances, by id, to leave, at once and beside the tag.
        clock: the time, UTC; a test may bring its own.
    """

    elastic = True

    def __init__(
        self,
        settings: Settings,
        tell: Callable[[list[str]], object],
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._ec2 = aws.client("ec2", settings.aws, attempts=2)  # the loop tries again by itself
        kind = "LaunchTemplateId" if settings.ec2.launch_template.startswith("lt-") else "LaunchTemplateName"
        self._template = {kind: settings.ec2.launch_template, "Version": "$Default"}
        self._places = _places(settings)
        self._name = settings.ec2.fleet
        self._tell = tell
        self._clock = clock
        self._ledger: dict[str, Instance] = {}
        self._launch: _Launch | None = None

    def instances(self) -> list[Instance]:
        """Return what DescribeInstances lists, and what was launched too lately to be listed."""
        with _translated("listing the fleet's instances"):
            pages = self._ec2.get_paginator("describe_instances").paginate(
                Filters=[{"Name": f"tag:{FLEET_TAG}", "Values": [self._name]}]
            )
            listed = {found.id: found for page in pages for found in _instances(page)}
        oldest = self._clock() - LEDGER
        self._ledger = {
            id: known for id, known in self._ledger.items() if id not in listed and known.launched_at > oldest
        }
        there = [found for found in listed.values() if found.state is not InstanceState.TERMINATED]
        return sorted([*there, *self._ledger.values()], key=lambda instance: instance.launched_at)

    def launch(self, count: int, token: str) -> list[Instance]:
        """Ask one place after the other for what is still missing; each call has a ClientToken of its own."""
        if self._launch is None or self._launch.token != token:
            self._launch = _Launch(token, count, list(self._places))
        launch = self._launch
        while len(launch.came) < launch.wanted and launch.places:
            came = self._run(launch.wanted - len(launch.came), token, launch.places[0])
            launch.came += came
            launch.places.pop(0)
            self._ledger.update({instance.id: instance for instance in came})
        if not launch.came:
            raise NoRoom(
                f"EC2 or the account's quotas have no room for an instance ({'; '.join(map(str, self._places))}); more "
                "subnets (ELASTIQ_SUBNETS) give more zones, and more types (ELASTIQ_INSTANCE_TYPES) more choice"
            )
        return list(launch.came)

    def drain(self, ids: Iterable[str]) -> None:
        """Set the tag by which an instance is known to drain, also to a worker that reads it; and tell the worker."""
        wanted = list(ids)
        with _translated("tagging instances to drain"):
            _all_or_each(
                lambda some: self._ec2.create_tags(Resources=some, Tags=[{"Key": DRAIN_TAG, "Value": "1"}]), wanted
            )
        for id in wanted:
            if id in self._ledger:
                self._ledger[id] = replace(self._ledger[id], state=InstanceState.DRAINING)
        self._tell(wanted)

    def terminate(self, ids: Iterable[str]) -> None:
        """Terminate instances, and forget them."""
        wanted = list(ids)
        with _translated("terminating instances"):
            _all_or_each(lambda some: self._ec2.terminate_instances(InstanceIds=some), wanted)
        for id in wanted:
            self._ledger.pop(id, None)

    def _run(self, count: int, token: str, place: _Place) -> list[Instance]:
        """Launch up to ``count`` instances in one place; none when it has no room."""
        tags = [{"Key": FLEET_TAG, "Value": self._name}, {"Key": "Name", "Value": f"{self._name}-worker"}]
        with _translated("launching instances"):
            try:
                answer = self._ec2.run_instances(
                    LaunchTemplate=self._template,
                    MinCount=1,
                    MaxCount=count,
                    ClientToken=f"{token}-{place.number}",
                    InstanceInitiatedShutdownBehavior="terminate",
                    TagSpecifications=[{"ResourceType": kind, "Tags": tags} for kind in ("instance", "volume")],
                    **place.request(),
                )
            except ClientError as err:
                if aws.error_code(err) not in _NO_ROOM:
                    raise
                log.warning("no_room", place=str(place), wanted=count, error=aws.error_code(err))
                return []
        return list(_instances({"Reservations": [answer]}))


def _places(settings: Settings) -> list[_Place]:
    """Return where to launch, in order: spot before on demand, the first type in every subnet before the next type."""
    markets = [True, False] if settings.ec2.spot else [False]
    choices = product(markets, _listed(settings.ec2.instance_types), _listed(settings.ec2.subnets))
    return [_Place(number, *choice) for number, choice in enumerate(choices)]


def _listed(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()] or [""]


def _instances(page: dict[str, Any]) -> Iterator[Instance]:
    for reservation in page["Reservations"]:
        for found in reservation["Instances"]:
            tags = {tag["Key"] for tag in found.get("Tags", [])}
            yield Instance(found["InstanceId"], _state(found["State"]["Name"], DRAIN_TAG in tags), found["LaunchTime"])


def _state(name: str, asked_to_leave: bool) -> InstanceState:
    """Return our word for EC2's state; one that stops or shuts down works no more and is not billed."""
    if name not in ("pending", "running"):
        return InstanceState.TERMINATED
    return InstanceState.DRAINING if asked_to_leave else InstanceState(name)


@contextmanager
def _translated(what: str) -> Iterator[None]:
    """Do as `aws.translated`, and know EC2's own refusals, which no retry mends."""
    with aws.translated(what):
        try:
            yield
        except ClientError as err:
            code = aws.error_code(err)
            if not code.startswith(_REFUSED):
                raise
            message = err.response["Error"].get("Message", "")
            raise ConfigurationError(
                f"{what}: {code}: {message}; check ELASTIQ_LAUNCH_TEMPLATE, ELASTIQ_SUBNETS and the role"
            ) from err


def _all_or_each(call: Callable[[list[str]], object], ids: list[str]) -> None:
    """Make one call for all instances; where EC2 knows one of them no more, and so did nothing, one call for each."""
    if not ids:
        return
    try:
        call(ids)
    except ClientError as err:
        if aws.error_code(err) != "InvalidInstanceID.NotFound":
            raise
        log.info("instance_gone_already", message=err.response["Error"].get("Message", ""))
        for id in ids if len(ids) > 1 else []:
            _all_or_each(call, [id])
