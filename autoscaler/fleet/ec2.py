"""Instances on EC2, started from a launch template and known by a tag.

What it must get right: a lost answer launches nothing twice (ClientToken); a place that refuses is passed over, spot
before on demand, one instance type before the next, zone by zone (`refusals` says what a refusal speaks of); and an
instance that DescribeInstances does not list still counts (the ledger).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import product
from typing import Any

import structlog
from botocore.exceptions import ClientError

from app import aws
from app.domain import DRAIN_TAG, FLEET_TAG, Instance, InstanceState
from app.process.clock import SteadyClock
from app.process.steps import each
from app.settings import Settings
from autoscaler.fleet.interruptions import too_many
from autoscaler.fleet.port import NoRoom, NotLaunched
from autoscaler.fleet.refusals import Of, Refused, is_answer, meaning

log = structlog.get_logger(__name__)

# EC2's own: the version of the launch template that an instance came from.
VERSION_TAG = "aws:ec2launchtemplate:version"
# DescribeInstances lists a new instance within seconds, now and then within minutes, and one that ended for an hour:
# one that it does not list is there for so long after it was seen last.
LEDGER = timedelta(minutes=5)
# A place that refused comes last for so long.
BARRED = timedelta(minutes=5)

_SPOT = {
    "MarketType": "spot",
    "SpotOptions": {"SpotInstanceType": "one-time", "InstanceInterruptionBehavior": "terminate"},
}


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

    def key(self, of: Of) -> tuple[Of, tuple[object, ...]]:
        """Return what it has in common with the places that a refusal of ``of`` speaks of."""
        return of, tuple(getattr(self, part) for part in of.value.split())

    def __str__(self) -> str:
        market = "spot" if self.spot else "on demand"
        return ", ".join([market, self.type or "the template's type", self.subnet or "the template's subnet"])


@dataclass(slots=True)
class _Launch:
    """How far one launch has come, so that trying again goes on where the answer was lost.

    Attributes:
        token: its name.
        wanted: how many instances.
        places: where to ask yet.
        came: the instances that came.
        refusals: what refused, in words, and what that means.
    """

    token: str
    wanted: int
    places: list[_Place]
    came: list[Instance] = field(default_factory=list)
    refusals: dict[str, Refused] = field(default_factory=dict)


class Ec2Fleet:
    """The instances that carry this fleet's tag.

    Args:
        settings: of ``ec2`` the ``launch_template`` (its name or id) and its version, ``subnets`` and
            ``instance_types`` to launch (else its own), ``spot``, and the name of the ``fleet``.
        tell: tells the workers of instances, by id, to leave, at once and beside the tag.
        clock: the time, UTC; a test may bring its own.
        interruptions: returns when instances were taken back of late.
    """

    elastic = True

    def __init__(
        self,
        settings: Settings,
        tell: Callable[[list[str]], object],
        clock: Callable[[], datetime] | None = None,
        interruptions: Callable[[], Iterable[datetime]] = list,
    ) -> None:
        self._ec2 = aws.client("ec2", settings.aws, attempts=2)  # the loop tries again by itself
        kind = "LaunchTemplateId" if settings.ec2.launch_template.startswith("lt-") else "LaunchTemplateName"
        self._template = {kind: settings.ec2.launch_template, "Version": settings.ec2.launch_template_version}
        self._places = _places(settings)
        self._name = settings.ec2.fleet
        self._tell = tell
        self._interruptions, self._most = interruptions, settings.ec2.spot_interruptions
        self._window = timedelta(minutes=settings.ec2.spot_window_min)
        self._clock = clock or SteadyClock()
        # Each instance as it was seen last, and when.
        self._ledger: dict[str, tuple[Instance, datetime]] = {}
        self._asked: set[str] = set()
        self._barred: dict[tuple[Of, tuple[object, ...]], datetime] = {}
        self._launch: _Launch | None = None

    @property
    def spot_resting(self) -> bool:
        """Return whether spot is wanted, and so many were taken back of late that on demand comes first."""
        spot = any(place.spot for place in self._places)
        return spot and too_many(self._interruptions(), self._clock(), self._most, self._window)

    def instances(self) -> list[Instance]:
        """Return what DescribeInstances lists, and what it left out though it was there of late."""
        with aws.translated("listing the fleet's instances"):
            pages = self._ec2.get_paginator("describe_instances").paginate(
                Filters=[{"Name": f"tag:{FLEET_TAG}", "Values": [self._name]}]
            )
            listed = [found for page in pages for found in _instances(page, self._template["Version"])]
        now = self._clock()
        self._ledger.update({found.id: (found, now) for found in listed})
        self._ledger = {
            id: (known, at)
            for id, (known, at) in self._ledger.items()
            if now - at < LEDGER and known.state is not InstanceState.TERMINATED
        }
        self._asked &= self._ledger.keys()
        there = [
            replace(known, state=InstanceState.DRAINING) if id in self._asked else known
            for id, (known, _) in self._ledger.items()
        ]
        return sorted(there, key=lambda instance: instance.launched_at)

    def launch(self, count: int, token: str) -> list[Instance]:
        """Ask one place after the other for what is still missing; each call has a ClientToken of its own."""
        if self._launch is None or self._launch.token != token:
            self._launch = _Launch(token, count, self._in_order())
        launch = self._launch
        while len(launch.came) < launch.wanted and launch.places:
            came = self._run(launch, launch.places[0])
            launch.came += came
            launch.places = launch.places[1:]
            self._ledger.update({instance.id: (instance, self._clock()) for instance in came})
        if not launch.came:
            raise _not_launched(launch.refusals)
        return list(launch.came)

    def drain(self, ids: Iterable[str]) -> None:
        """Set the tag by which an instance is known to drain, also to a worker that reads it; and tell the worker."""
        wanted = list(ids)
        self._asked |= self._ledger.keys() & set(wanted)
        each(lambda: self._tag(wanted), lambda: self._tell(wanted))

    def terminate(self, ids: Iterable[str]) -> None:
        """Terminate instances, and forget them."""
        wanted = list(ids)
        with aws.translated("terminating instances"):
            _all_or_each(lambda some: self._ec2.terminate_instances(InstanceIds=some), wanted)
        for id in wanted:
            self._ledger.pop(id, None)

    def _tag(self, ids: list[str]) -> None:
        with aws.translated("tagging instances to drain"):
            tags = [{"Key": DRAIN_TAG, "Value": "1"}]
            _all_or_each(lambda some: self._ec2.create_tags(Resources=some, Tags=tags), ids)

    def _in_order(self) -> list[_Place]:
        """Return where to launch: the places that refused of late come last, since no more may be left."""
        now = self._clock()
        self._barred = {key: at for key, at in self._barred.items() if now - at < BARRED}
        resting = self.spot_resting
        return sorted(self._places, key=lambda place: (self._is_barred(place), resting and place.spot))

    def _is_barred(self, place: _Place) -> bool:
        return any(place.key(of) in self._barred for of in Of)

    def _run(self, launch: _Launch, place: _Place) -> list[Instance]:
        """Launch what is missing in one place; none when it refuses."""
        tags = [{"Key": FLEET_TAG, "Value": self._name}, {"Key": "Name", "Value": f"{self._name}-worker"}]
        with aws.translated("launching instances"):
            try:
                answer = self._ec2.run_instances(
                    LaunchTemplate=self._template,
                    MinCount=1,
                    MaxCount=launch.wanted - len(launch.came),
                    ClientToken=f"{launch.token}-{place.number}",
                    InstanceInitiatedShutdownBehavior="terminate",
                    TagSpecifications=[{"ResourceType": kind, "Tags": tags} for kind in ("instance", "volume")],
                    **place.request(),
                )
            except ClientError as err:
                if not is_answer(aws.error_code(err), err.response["ResponseMetadata"].get("HTTPStatusCode", 0)):
                    raise
                self._note(launch, place, err)
                return []
        return list(_instances({"Reservations": [answer]}))

    def _note(self, launch: _Launch, place: _Place, err: ClientError) -> None:
        """Take note that a place refused, and of which other places that speaks."""
        code, now = aws.error_code(err), self._clock()
        refused = meaning(code)
        log.warning("launch_refused", place=str(place), wanted=launch.wanted - len(launch.came), error=code)
        why = refused.why or err.response["Error"].get("Message", "")
        launch.refusals[f"{code}: {why}"] = refused
        if refused.of is Of.EVERYWHERE:
            launch.places = []
            return
        self._barred[place.key(refused.of)] = now
        first, *rest = launch.places
        launch.places = [first, *sorted(rest, key=self._is_barred)]


def _not_launched(refusals: dict[str, Refused]) -> NotLaunched:
    """Return the error of a launch that every place refused."""
    pause_s = max(refused.pause_s for refused in refusals.values())
    text = "; ".join(refusals)
    if all(refused.room for refused in refusals.values()):
        return NoRoom(
            f"EC2 or the account's quotas have no room for an instance ({text}); more subnets (ELASTIQ_SUBNETS) give "
            "more zones, and more types (ELASTIQ_INSTANCE_TYPES) more choice",
            pause_s,
        )
    return NotLaunched(f"EC2 launches no instance ({text}); ELASTIQ_LAUNCH_TEMPLATE says what it launches", pause_s)


def _places(settings: Settings) -> list[_Place]:
    """Return where to launch, in order: spot before on demand, the first type in every subnet before the next type."""
    markets = [True, False] if settings.ec2.spot else [False]
    choices = product(markets, _listed(settings.ec2.instance_types), _listed(settings.ec2.subnets))
    return [_Place(number, *choice) for number, choice in enumerate(choices)]


def _listed(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()] or [""]


def _instances(page: dict[str, Any], version: str = "") -> Iterator[Instance]:
    """Yield a page's instances; outdated are those of a version before ``version``, if that is a number."""
    for reservation in page["Reservations"]:
        for found in reservation["Instances"]:
            tags = {tag["Key"]: tag.get("Value", "") for tag in found.get("Tags", [])}
            state = _state(found["State"]["Name"], DRAIN_TAG in tags)
            yield Instance(
                found["InstanceId"],
                state,
                found["LaunchTime"],
                outdated=_older(tags, version),
                type=found.get("InstanceType", ""),
                spot=found.get("InstanceLifecycle") == "spot",
            )


def _older(tags: dict[str, str], version: str) -> bool:
    own = tags.get(VERSION_TAG, "")
    return own.isdigit() and version.isdigit() and int(own) < int(version)


def _state(name: str, asked_to_leave: bool) -> InstanceState:
    """Return our word for EC2's state; one that stops or shuts down works no more and is not billed."""
    if name not in ("pending", "running"):
        return InstanceState.TERMINATED
    return InstanceState.DRAINING if asked_to_leave else InstanceState(name)


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
