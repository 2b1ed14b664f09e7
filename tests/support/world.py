"""A world in fake time: a queue, EC2 and hosts with workers, behind boto3's own clients with another network.

The real loop, observer and EC2 adapter run on it; a day takes a minute. It has days as bad as its fields say.
"""

from __future__ import annotations

import io
import json
import math
import random
import urllib.parse
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.awsrequest import AWSResponse

from app.announcements import Said, WorkerHeartbeat, WorkerOffline, WorkerOnline
from app.aws.clients import session
from app.domain import DRAIN_TAG
from app.settings import Settings
from autoscaler.announce import STAYS

START = datetime(2026, 11, 24, 12, tzinfo=UTC)
TICK_S = 2.0
# EC2 goes on listing an instance that has ended, for an hour; so long is more than any memory of the adapter.
LISTED_S = 600.0
IDLE_S, PENDING_S, HOLDS = 30.0, 10.0, 12
LATE_S = 60.0
QUEUE_URL = "https://sqs.us-east-1.amazonaws.com/123456789012/tasks"


@dataclass(slots=True)
class Host:
    """An instance and its worker.

    Attributes:
        place: market, type and subnet.
        launched_s: when, by the world's true time.
        ready_s: seconds from there to a worker that is heard; infinite: never.
        pending_s: seconds from there to `running`.
        dies_s: seconds from there to its end, whatever it does.
        end_s: when it ended; None while it runs.
        held: when each image that it has in hand arrived.
    """

    id: str
    place: tuple[str, str, str]
    launched_s: float
    ready_s: float = 30.0
    pending_s: float = PENDING_S
    dies_s: float = math.inf
    end_s: float | None = None
    heard: bool = False
    tagged: bool = False
    draining: bool = False
    done: int = 0
    credit: float = 0.0
    idle_since_s: float = math.inf
    stays_until_s: float = -math.inf
    held: deque[float] = field(default_factory=deque)


@dataclass
class World:
    """What there is, and how bad it is.

    Attributes:
        arrivals: of images from one second to the next, given the second.
        rate: images a second and instance.
        boot: sets how a new host boots, given that and the chance to draw from.
        refuse: returns the error code of a call, given its action and parameters; empty: none.
        ec2_ahead_s: how far EC2's clock is ahead of the world's.
        listed: whether DescribeInstances tells of a host at this time.
        counts: makes SQS's answer of what is visible and in flight.
        recommended_per_hour: how often a worker is recommended to be replaced, for each that works.
        heeds: whether it then leaves.
        hears: whether an event arrives at the autoscaler.
        ends_in_s: seconds that a host shuts down for.
    """

    arrivals: Callable[[float], float] = lambda second: 0.0
    rate: float = 2.0
    boot: Callable[[Host, random.Random], object] = lambda host, chance: None
    refuse: Callable[[str, dict[str, str]], str] = lambda action, call: ""
    ec2_ahead_s: float = 0.0
    listed: Callable[[Host, World], bool] = lambda host, world: True
    counts: Callable[[int, int], dict[str, str]] | None = None
    recommended_per_hour: float = 0.0
    heeds: bool = True
    hears: Callable[[Said, World], bool] = lambda said, world: True
    ends_in_s: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        self.now_s = 0.0
        self.wall_ahead_s = 0.0
        self.chance = random.Random(self.seed)
        self.hosts: dict[str, Host] = {}
        self.queue: deque[float] = deque()
        self.calls: Counter[str] = Counter()
        self.waits_s: list[float] = []
        self.listeners: list[Callable[[Said], object]] = []
        self.launch_times_s: list[float] = []
        self._known: dict[str, list[str]] = {}
        self._up: dict[str, Host] = {}
        self._asleep = False
        self._unread: list[Said] = []
        self._due = 0.0

    # What comes of it

    @property
    def launches(self) -> int:
        """Return how many instances have ever been launched."""
        return len(self.hosts)

    @property
    def there(self) -> list[Host]:
        """Return the hosts that have not ended."""
        return list(self._up.values())

    @property
    def instance_hours(self) -> float:
        """Return what is billed: from `running` on, a minute at least."""
        ends = ((self.now_s if host.end_s is None else host.end_s) - host.launched_s for host in self.hosts.values())
        return sum(max(60.0, ran_s - PENDING_S) for ran_s in ends) / 3600

    @property
    def work_hours(self) -> float:
        """Return what the images took."""
        return len(self.waits_s) / self.rate / 3600

    @property
    def late(self) -> float:
        """Return the share of images that were late, or wait and are already."""
        waiting = [self.now_s - at for at in (*self.queue, *(at for host in self.there for at in host.held))]
        waits = self.waits_s + [wait for wait in waiting if wait > LATE_S]
        return sum(wait > LATE_S for wait in waits) / max(1, len(waits))

    # Time

    def clock(self) -> datetime:
        """Return the time by the autoscaler's host."""
        return START + timedelta(seconds=self.now_s + self.wall_ahead_s)

    def elapsed(self) -> float:
        """Return the seconds since some moment, which no setting of a clock changes."""
        return self.now_s

    def pass_time(self, seconds: float) -> None:
        """Let the world go on."""
        until_s = self.now_s + seconds
        while self.now_s < until_s - 1e-9:
            step_s = min(TICK_S, until_s - self.now_s)
            self.now_s += step_s
            self._tick(step_s)

    def sleep(self, seconds: float) -> None:
        """Let the world go on while the autoscaler's host is suspended; what was said meanwhile is heard at its end."""
        self._asleep = True
        self.pass_time(seconds)
        self._asleep = False
        unread, self._unread = self._unread, []
        for said in unread:
            for hear in self.listeners:
                hear(said)

    def put(self, count: int) -> None:
        """Hand in images."""
        self.queue.extend([self.now_s] * count)

    def say(self, what: Any, node: str, said_at_s: float | None = None) -> None:
        """Have somebody announce something."""
        at = START.timestamp() + (self.now_s if said_at_s is None else said_at_s)
        said = Said(what, node, at)
        if self._asleep:
            self._unread.append(said)
        elif self.hears(said, self):
            for hear in self.listeners:
                hear(said)

    def ask_to_leave(self, ids: list[str]) -> None:
        """Ask workers by remote control, which those that are ready hear."""
        for id in ids:
            if id in self.hosts and self.hosts[id].heard:
                self.hosts[id].draining = True

    def ask_to_stay(self, ids: Iterable[str]) -> None:
        """Have workers by remote control stay though they are idle, which those that are ready hear."""
        for id in ids:
            if id in self.hosts and self.hosts[id].heard:
                self.hosts[id].stays_until_s = self.now_s + STAYS.total_seconds()

    def _tick(self, step_s: float) -> None:
        self._due += self.arrivals(self.now_s) * step_s
        self.put(int(self._due))
        self._due -= int(self._due)
        for host in list(self._up.values()):
            self._live(host, step_s)

    def _live(self, host: Host, step_s: float) -> None:
        age_s = self.now_s - host.launched_s
        if age_s >= host.dies_s:
            self.end(host)
            return
        if age_s < host.ready_s:
            return
        if not host.heard:
            host.heard, host.idle_since_s = True, self.now_s
            self.say(WorkerOnline(0, 0), f"{host.id}@host")
        if self.heeds and self.chance.random() < self.recommended_per_hour * step_s / 3600:
            host.draining = True
        self._work(host, step_s)

    def _work(self, host: Host, step_s: float) -> None:
        host.credit = min(host.credit + self.rate * step_s, HOLDS)
        while True:
            while not host.draining and len(host.held) < HOLDS and self.queue:
                host.held.append(self.queue.popleft())
            if not host.held or host.credit < 1:
                break
            host.credit -= 1
            self.waits_s.append(self.now_s - host.held.popleft())
            host.done += 1
            host.idle_since_s = self.now_s
        active = len(host.held)
        self.say(WorkerHeartbeat(active, host.done + active), f"{host.id}@host")
        if not host.held:
            host.credit = 0.0
            idle = self.now_s - host.idle_since_s >= IDLE_S and self.now_s >= host.stays_until_s
            if host.draining or idle:
                self.say(WorkerOffline(0, host.done), f"{host.id}@host")
                self.end(host)

    def end(self, host: Host) -> None:
        """End a host; what it held comes back to the queue."""
        if host.end_s is None:
            host.end_s = self.now_s
            del self._up[host.id]
            self.queue.extendleft(reversed(host.held))
            host.held.clear()

    # AWS

    @contextmanager
    def connected(self) -> Iterator[Settings]:
        """Have boto3's clients that are made meanwhile talk to this world."""
        core = session().core
        hooks = [
            ("before-send.ec2", self._ec2),
            ("before-send.sqs", self._sqs),
            ("needs-retry.ec2", _at_once),
            ("needs-retry.sqs", _at_once),
        ]
        for event, hook in hooks:
            core.get_component("event_emitter").register_first(event, hook)
        try:
            yield Settings.from_environment({"AWS_REGION": "us-east-1", "ELASTIQ_QUEUE": "tasks"})
        finally:
            for event, hook in hooks:
                core.unregister(event, hook)

    def _sqs(self, request: Any, **_: object) -> AWSResponse:
        action = request.headers["X-Amz-Target"].decode().rpartition(".")[2]
        self.calls[action] += 1
        code = self.refuse(action, {})
        if code:
            return _answer(
                request.url, 400, json.dumps({"__type": code, "message": code}), "application/x-amz-json-1.0"
            )
        told = json.loads(request.body)
        bulk = str(told.get("QueueName") or told.get("QueueUrl")).endswith("-bulk")  # where nothing waits in this world
        if action == "GetQueueUrl":
            url = f"{QUEUE_URL}-bulk" if bulk else QUEUE_URL
            return _answer(request.url, 200, json.dumps({"QueueUrl": url}), "application/x-amz-json-1.0")
        in_flight = sum(len(host.held) for host in self.there)
        make = self.counts or sqs_counts
        counts = {"Attributes": sqs_counts(0, 0) if bulk else make(len(self.queue), in_flight)}
        return _answer(request.url, 200, json.dumps(counts), "application/x-amz-json-1.0")

    def _ec2(self, request: Any, **_: object) -> AWSResponse:
        body = request.body.decode() if isinstance(request.body, bytes) else request.body
        call = dict(urllib.parse.parse_qsl(body, keep_blank_values=True))
        action = call["Action"]
        self.calls[action] += 1
        code = self.refuse(action, call)
        if code:
            text = f"<Response><Errors><Error><Code>{code}</Code><Message>{code}</Message></Error></Errors></Response>"
            return _answer(request.url, 503 if code == "RequestLimitExceeded" else 400, text, "text/xml")
        carry_out = {
            "RunInstances": self._run,
            "DescribeInstances": self._describe,
            "CreateTags": self._tag,
            "TerminateInstances": self._terminate,
        }
        inner = carry_out[action](call)
        return _answer(request.url, 200, f"<{action}Response>{inner}</{action}Response>", "text/xml")

    def _run(self, call: dict[str, str]) -> str:
        token = call["ClientToken"]
        if token not in self._known:
            market = "spot" if "InstanceMarketOptions.MarketType" in call else "on-demand"
            place = market, call.get("InstanceType", ""), call.get("SubnetId", "")
            self._known[token] = [self._launch(place) for _ in range(int(call["MaxCount"]))]
        return f"<instancesSet>{''.join(self._item(self.hosts[id]) for id in self._known[token])}</instancesSet>"

    def _launch(self, place: tuple[str, str, str]) -> str:
        host = Host(f"i-{len(self.hosts):06d}", place, self.now_s)
        self.boot(host, self.chance)
        self.hosts[host.id] = self._up[host.id] = host
        self.launch_times_s.append(self.now_s)
        return host.id

    def _describe(self, call: dict[str, str]) -> str:
        listed = [host for host in self.hosts.values() if self._is_listed(host)]
        items = "".join(f"<item><instancesSet>{self._item(host)}</instancesSet></item>" for host in listed)
        return f"<reservationSet>{items}</reservationSet>"

    def _is_listed(self, host: Host) -> bool:
        return (host.end_s is None or self.now_s - host.end_s < LISTED_S) and self.listed(host, self)

    def _tag(self, call: dict[str, str]) -> str:
        for id in _ids(call, "ResourceId"):
            self.hosts[id].tagged = True
        return "<return>true</return>"

    def _terminate(self, call: dict[str, str]) -> str:
        for id in _ids(call, "InstanceId"):
            self.end(self.hosts[id])
        return "<instancesSet/>"

    def _item(self, host: Host) -> str:
        if host.end_s is not None:
            state = "shutting-down" if self.now_s - host.end_s < self.ends_in_s else "terminated"
        else:
            state = "pending" if self.now_s - host.launched_s < host.pending_s else "running"
        at = START + timedelta(seconds=int(host.launched_s + self.ec2_ahead_s))
        tag = f"<item><key>{DRAIN_TAG}</key><value>1</value></item>" if host.tagged else ""
        return (
            f"<item><instanceId>{host.id}</instanceId><instanceState><name>{state}</name></instanceState>"
            f"<launchTime>{at:%Y-%m-%dT%H:%M:%S.000Z}</launchTime><tagSet>{tag}</tagSet></item>"
        )


def sqs_counts(visible: int, in_flight: int) -> dict[str, str]:
    """Return the counts as SQS gives them."""
    return {
        "ApproximateNumberOfMessages": str(visible),
        "ApproximateNumberOfMessagesNotVisible": str(in_flight),
        "ApproximateNumberOfMessagesDelayed": "0",
    }


def _at_once(response: Any, attempts: int, **_: object) -> float | None:
    """Have botocore retry without a pause, which would be one in real time."""
    code = response[1].get("Error", {}).get("Code") if response else None
    return 0.0 if code == "RequestLimitExceeded" and attempts < 2 else None


def _ids(call: dict[str, str], name: str) -> list[str]:
    return [value for key, value in call.items() if key.startswith(f"{name}.")]


class _Raw(io.BytesIO):
    """A body as urllib3 hands it over."""

    def stream(self) -> Iterator[bytes]:
        yield self.read()


def _answer(url: str, status: int, text: str, kind: str) -> AWSResponse:
    headers: Any = {"content-type": kind, "x-amzn-requestid": "fake"}
    return AWSResponse(url, status, headers, _Raw(text.encode()))
