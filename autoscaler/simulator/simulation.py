"""A discrete-event model of a queue, its workers and an autoscaler that runs the real policies.

Modelled: a queue that hands out in its own order, to any worker; instances whose boot takes a varying time or fails,
and that are billed from `running` on for a minute at least; counts that lag; workers that hold a few images, finish
what they hold when asked to leave, and leave by themselves when idle.
"""

from __future__ import annotations

import heapq
import random
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol

from app.domain import Instance, InstanceState, QueueDepth
from app.errors import ConfigurationError
from autoscaler.memory.boots import shortest_life_s
from autoscaler.memory.past import Past
from autoscaler.simulator.world import SLOW_BOOT, Outcome, World
from autoscaler.values import Heard, Heartbeat, Limits, Observation, ScalingDecision

LONGEST_LAG_S = 60.0
# A run in which nothing was done for so long, though something could be, comes to no end.
STUCK_S = 7 * 24 * 3600.0
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


class Policy(Protocol):
    """What is simulated: `policy.decide`, or another system's rule with a memory of its own."""

    def __call__(self, seen: Observation, limits: Limits) -> ScalingDecision:
        """Return what the fleet should be."""


@dataclass(slots=True)
class Host:
    """An instance in the model; the lists are its images, by number."""

    id: str
    launched_s: float
    ready_s: float | None = None
    heard_s: float | None = None
    draining: bool = False
    held: deque[int] = field(default_factory=deque)
    busy: bool = False
    idle_since_s: float = 0.0
    done: int = 0
    polls_until_s: float = 0.0


class Simulation:
    """One run.

    Args:
        arrivals_s: when each image arrives, ascending.
        policy: what decides.
        limits: what it decides within.
        world: everything else.
        observe_s: seconds between two decisions.
        idle_s: seconds without work after which a worker leaves; 0 means never.
        seed: of the random numbers; the same seed makes the same run.
        tell: is told at each observation the time in seconds, and how many images are done.
    """

    def __init__(
        self,
        arrivals_s: Sequence[float],
        policy: Policy,
        limits: Limits,
        world: World,
        observe_s: float = 2.0,
        idle_s: float = 30.0,
        seed: int = 0,
        tell: Callable[[float, int], object] = lambda *_: None,
    ) -> None:
        self._tell_course = tell
        self._arrivals, self._policy, self._limits, self._world = arrivals_s, policy, limits, world
        self._observe_s, self._idle_s = observe_s, idle_s
        self._random = random.Random(seed)
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._now = self._done_s = 0.0
        self._order = 0
        self._hosts: dict[str, Host] = {}
        self._free: list[Host] = []
        self._queue: list[deque[int]] = [deque() for _ in range(world.partitions)]
        self._visible = self._in_flight = self._done = self._launched = 0
        self._history: deque[tuple[float, QueueDepth]] = deque()
        self._past = Past(EPOCH, shortest_life_s(idle_s))
        self._worker_at: datetime | None = None
        self._heartbeats: list[Heartbeat] = []
        self._waits_s: list[float] = []
        self._outcome = Outcome([-1.0] * len(arrivals_s))

    def run(self) -> Outcome:
        """Run until every image is done and the fleet has left, or cannot be expected to.

        Raises:
            ConfigurationError: nothing was done for a week.
        """
        if self._arrivals:
            self._at(self._arrivals[0], lambda: self._arrive(0))
        self._at(0.0, self._count)
        self._at(0.0, self._observe)
        while self._events and not self._over():
            self._now, _, happen = heapq.heappop(self._events)
            happen()
        for host in list(self._hosts.values()):
            self._end(host)
        return self._outcome

    def _over(self) -> bool:
        """Return whether nothing more can happen that matters: all is done, and who is left would stay for ever."""
        if self._done < len(self._arrivals):
            # An image may have come after the last one was done.
            if self._now - max(self._done_s, self._arrivals[self._done]) > STUCK_S:
                raise ConfigurationError(
                    f"stopped: {len(self._arrivals) - self._done:,} images are left and none was done for a week; "
                    "a rate that is too low, boots that fail, or a policy that launches nobody"
                )
            return False
        return not self._hosts or self._now > self._arrivals[-1] + 600

    def _at(self, when_s: float, happen: Callable[[], None]) -> None:
        self._order += 1
        heapq.heappush(self._events, (when_s, self._order, happen))

    # The queue

    def _arrive(self, number: int) -> None:
        self._queue[self._random.randrange(len(self._queue))].append(number)
        self._visible += 1
        if number + 1 < len(self._arrivals):
            self._at(self._arrivals[number + 1], lambda: self._arrive(number + 1))
        self._hand_out()

    def _hand_out(self) -> None:
        """Give what is visible to workers that have a hand free, each to any of them."""
        while self._visible and self._free:
            place = self._random.randrange(len(self._free))
            host = self._free[place]
            host.held.append(self._receive())
            if len(host.held) >= self._world.holds:
                self._free[place] = self._free[-1]
                self._free.pop()
            if not host.busy:
                self._work(host)

    def _receive(self) -> int:
        partition = self._random.randrange(len(self._queue))
        while not self._queue[partition]:
            partition = (partition + 1) % len(self._queue)
        self._visible -= 1
        self._in_flight += 1
        queue = self._queue[partition]
        if self._world.disorder and self._random.random() < self._world.disorder:
            place = self._random.randrange(len(queue))
            queue[0], queue[place] = queue[place], queue[0]
        return queue.popleft()

    # Workers

    def _work(self, host: Host) -> None:
        host.busy = True
        took_s = (0.5 + self._random.random()) / self._world.rate
        self._at(self._now + took_s, lambda: self._finish(host))

    def _finish(self, host: Host) -> None:
        number = host.held.popleft()
        self._in_flight -= 1
        self._done, self._done_s = self._done + 1, self._now
        host.done += 1
        waited_s = self._outcome.waits_s[number] = self._now - self._arrivals[number]
        self._waits_s.append(waited_s)
        if not host.draining and len(host.held) == self._world.holds - 1:
            self._free.append(host)
            self._hand_out()
        if host.held:
            self._work(host)
            return
        host.busy = False
        if host.draining:
            self._leave(host)
        else:
            self._watch_idleness(host)

    def _watch_idleness(self, host: Host) -> None:
        host.idle_since_s = self._now
        if self._idle_s:
            since_s = self._now
            self._at(self._now + self._idle_s, lambda: self._leave_if_idle(host, since_s))

    def _leave_if_idle(self, host: Host, since_s: float) -> None:
        if host.id in self._hosts and not host.busy and host.idle_since_s == since_s:
            self._end(host)

    # Instances

    def _launch(self) -> None:
        self._launched += 1
        host = Host(f"i-{self._launched}", self._now)
        self._hosts[host.id] = host
        boot_s = max(self._world.pending_s, self._random.gauss(self._world.boot_s, self._world.boot_s / 8))
        if self._random.random() < self._world.failing_boots:
            part = 1 + 2 * self._random.random() if self._world.fails_late else self._random.random()
            self._at(self._now + boot_s * part, lambda: self._end(host))
            return
        if self._world.slow_boots and self._random.random() < self._world.slow_boots:
            boot_s *= SLOW_BOOT
        self._at(self._now + boot_s, lambda: self._be_ready(host))

    def _be_ready(self, host: Host) -> None:
        if host.id not in self._hosts:
            return
        host.ready_s = self._now
        self._tell(host)
        if self._world.reclaims_per_hour:
            in_s = self._random.expovariate(self._world.reclaims_per_hour / 3600)
            self._at(self._now + in_s, lambda: self._drain(host))
        self._free.append(host)
        self._watch_idleness(host)
        self._hand_out()

    def _drain(self, host: Host) -> None:
        """Let it take no more; it leaves once it has finished what it holds."""
        if host.draining or host.id not in self._hosts:
            return
        host.draining = True
        if host in self._free:
            self._free.remove(host)
            if self._world.poll_s and not self._visible:
                host.polls_until_s = self._now + self._world.poll_s * self._random.random()
        if not host.held:
            self._leave(host)

    def _leave(self, host: Host) -> None:
        """Let it end once the receive that is under way has come back; a message that it brings goes to others."""
        if host.polls_until_s > self._now:
            self._at(host.polls_until_s, lambda: self._leave(host))
        else:
            self._end(host)

    def _tell(self, host: Host) -> None:
        """Have a worker send a heartbeat, and the next one later."""
        if host.id not in self._hosts:
            return
        self._heartbeat(host)
        self._at(self._now + self._world.heartbeat_s, lambda: self._tell(host))

    def _heartbeat(self, host: Host) -> None:
        host.heard_s = self._now
        self._worker_at = now = _time(self._now)
        full = len(host.held) == self._world.holds
        self._heartbeats.append(Heartbeat(host.id, now, host.done, full))

    def _end(self, host: Host) -> None:
        if self._hosts.pop(host.id, None) is None:
            return
        if host.ready_s is not None:
            self._heartbeat(host)
        if host in self._free:
            self._free.remove(host)
        ran_s = self._now - host.launched_s - self._world.pending_s + self._world.power_off_s
        self._outcome.bills.append((max(self._world.bill_s, ran_s), host.done))

    # The autoscaler

    def _count(self) -> None:
        """Take the counts that later observations are told of."""
        self._history.append((self._now, QueueDepth(self._visible, self._in_flight)))
        while self._history[0][0] < self._now - 2 * LONGEST_LAG_S:
            self._history.popleft()
        self._at(self._now + 1.0, self._count)

    def _observe(self) -> None:
        seen = self._see()
        decision = self._policy(seen, self._limits)
        for id in decision.drain:
            self._drain(self._hosts[id])
        # An account has no room for more than the ceiling, those that still finish what they hold included.
        for _ in range(min(decision.launch, self._limits.ceiling - len(self._hosts))):
            self._launch()
        ready = sum(host.ready_s is not None for host in self._hosts.values())
        self._outcome.course.append((self._now, self._visible + self._in_flight, ready, len(self._hosts)))
        self._tell_course(self._now, self._done)
        self._at(self._now + self._observe_s, self._observe)

    def _see(self) -> Observation:
        now = _time(self._now)
        depth = self._depth_at(self._now - min(LONGEST_LAG_S, self._random.expovariate(1 / self._world.lag_s)))
        fleet = tuple(
            _instance(host, self._now >= host.launched_s + self._world.pending_s) for host in self._hosts.values()
        )
        heartbeats, self._heartbeats = tuple(self._heartbeats), []
        waits_s, self._waits_s = tuple(self._waits_s), []
        heard = Heard(since=EPOCH, at=now, worker_at=self._worker_at, heartbeats=heartbeats, waits_s=waits_s)
        return self._past.see(at=now, depth=depth, counted_at=now, fleet=fleet, listed_at=now, heard=heard)

    def _depth_at(self, when_s: float) -> QueueDepth:
        """Return the last counts taken before a time."""
        for at_s, depth in reversed(self._history):
            if at_s <= when_s:
                return depth
        return self._history[0][1]


def _time(seconds: float) -> datetime:
    return EPOCH + timedelta(seconds=seconds)


def _instance(host: Host, running: bool) -> Instance:
    heard_at = None if host.heard_s is None else _time(host.heard_s)
    state = InstanceState.RUNNING if running else InstanceState.PENDING
    return Instance(host.id, InstanceState.DRAINING if host.draining else state, _time(host.launched_s), heard_at)
