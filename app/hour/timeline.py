"""What each machine of the fleet did over an hour: a bar in pieces, from its launch to its end. Pure.

Times are seconds since 1970, by the clock of whoever listens.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from app.announcements import ScalingDecided, WorkerCounts, WorkerLeaving, WorkerOffline, WorkerOnline
from app.domain import Instance, InstanceState
from app.fields import Fields

KEPT_S = 3600.0
# Bars, and pieces of one, that are remembered.
BARS, PIECES = 300, 60
# A worker that has done nothing for so long is idle; one that was not heard for so long is lost.
IDLE_S, SILENT_S = 5.0, 90.0
# What a queue brings in another order is not older than this.
LATE_S = 300.0


class Doing(StrEnum):
    """What a machine does."""

    PENDING = "pending"
    BOOTING = "booting"
    WORKING = "working"
    IDLE = "idle"
    DRAINING = "draining"
    LOST = "lost"
    GONE = "gone"


@dataclass(slots=True)
class Bar:
    """One machine.

    Attributes:
        id: the instance's.
        number: by which people are told of it; no other of the hour has it.
        began_at: when it was launched, or first heard.
        own: whether it is one of the autoscaler's.
        pieces: what it did, each with when it began.
        until: when it was last told of.
        ended: whether it is there no more; its last piece says how.
        usd: dollars that it has cost; None where nobody says.
        done: images that its worker has begun.
        why: why its worker leaves.
        said_at: when its worker said something last, by its own clock.
        heard_at: when its worker was heard last; None if never.
        worked_at: when it was last seen at work.
        position: of the news that changed it last.
    """

    id: str
    number: int
    began_at: float
    own: bool
    pieces: list[tuple[Doing, float]] = field(default_factory=list)
    until: float = 0.0
    ended: bool = False
    usd: float | None = None
    done: int = 0
    why: str | None = None
    said_at: float = 0.0
    heard_at: float | None = None
    worked_at: float = float("-inf")
    position: int = 0

    @property
    def doing(self) -> Doing | None:
        """Return the last that it did."""
        return self.pieces[-1][0] if self.pieces else None

    def turn(self, doing: Doing, now: float) -> bool:
        """Have it do something from now on; return whether that is another thing."""
        self.until = now
        if self.doing is doing:
            return False
        self.pieces.append((doing, now if self.pieces else min(now, self.began_at)))
        while len(self.pieces) > PIECES:
            # The two oldest as one: at work, if it was in either.
            (first, at), (second, _) = self.pieces[:2]
            self.pieces[:2] = [(Doing.WORKING if Doing.WORKING in (first, second) else first, at)]
        return True

    def at_work(self, now: float) -> Doing:
        """Return whether its worker works, is idle, or was not heard for too long."""
        if self.heard_at is not None and now - self.heard_at > SILENT_S:
            return Doing.LOST
        return Doing.WORKING if now - self.worked_at < IDLE_S else Doing.IDLE

    def to_json(self) -> dict[str, Any]:
        """Return the form that the API answers with, and `bar_of` reads."""
        return {
            "id": self.id,
            "number": self.number,
            "began_at": round(self.began_at, 1),
            "until": round(self.until, 1),
            "own": self.own,
            "ended": self.ended,
            "usd": self.usd,
            "done": self.done,
            "why": self.why,
            "pieces": [{"doing": doing.value, "at": round(at, 1)} for doing, at in self.pieces],
        }


class Timeline:
    """Keeps the bars; each change has the position that the caller gives it."""

    def __init__(self) -> None:
        self._bars: dict[str, Bar] = {}
        # What ended before that nobody here has seen.
        self._unseen_before = float("-inf")

    def decided(self, what: ScalingDecided, now: float, position: int) -> bool:
        """Take note of the fleet that a decision was made on; return whether any machine does something else."""
        usd = dict(what.cost.each) if what.cost else {}
        changed = False
        self._forget(now)
        for instance in what.fleet:
            bar = self._bar(instance.id, min(now, instance.launched_at.timestamp()), own=True)
            bar.began_at = min(bar.began_at, instance.launched_at.timestamp())
            bar.own, bar.ended = True, False
            changed |= bar.turn(_doing(instance, bar, now), now)
            bar.usd, bar.position = usd.get(instance.id, bar.usd), position
        there = {instance.id for instance in what.fleet}
        for bar in self._bars.values():
            silent = not bar.own and now - bar.until > SILENT_S
            if not bar.ended and (silent or (bar.own and bar.id not in there)):
                changed = True
                self._end(bar, now, position)
        return changed

    def counted(self, id: str, counts: WorkerCounts, said_at: float, now: float, position: int) -> bool:
        """Take note of what a worker says of itself; return whether it does something else than before."""
        known = self._bars.get(id)
        if known is not None and 0 < known.said_at - said_at <= LATE_S:
            return False
        bar = known or self._bar(id, now, own=False)
        begun, bar.done = counts.processed - bar.done if bar.said_at else 0, counts.processed
        bar.said_at, bar.heard_at, bar.position = said_at, now, position
        if isinstance(counts, WorkerOnline):
            bar.why = None
        if isinstance(counts, WorkerOffline):
            changed = bar.turn(Doing.DRAINING, now)
            if not bar.own:
                self._end(bar, now, position)
            return changed
        bar.ended = False
        if counts.active or begun > 0:
            bar.worked_at = now
        return bar.turn(Doing.DRAINING if bar.why else bar.at_work(now), now)

    def leaving(self, id: str, what: WorkerLeaving, now: float, position: int) -> bool:
        """Take note that a worker leaves, and why; return whether that is news."""
        bar = self._bars.get(id)
        if bar is None or bar.ended:
            return False
        bar.why, bar.position = what.why, position
        return bar.turn(Doing.DRAINING, now)

    def view(self, now: float, since: int = 0) -> list[dict[str, Any]]:
        """Return the bars of the last hour that have changed after that position."""
        return [bar.to_json() for bar in self._bars.values() if bar.position > since and _is_of(bar, now)]

    def adopt(self, kept: Iterable[Fields], before: float, position: int) -> None:
        """Take over the bars that another one kept: all that they did up to that time, and their numbers.

        Raises:
            MalformedAnnouncement: they are no bars.
        """
        earlier = {bar.id: bar for bar in map(bar_of, kept)}
        self._unseen_before = before
        own, self._bars = self._bars, earlier
        taken = {bar.number for bar in earlier.values()}
        for bar in earlier.values():
            bar.position = position
        for bar in own.values():
            if bar.id in earlier:
                _join(earlier[bar.id], bar, before)
            else:
                if bar.number in taken:
                    bar.number = self._free()
                bar.position = position
                self._bars[bar.id] = bar

    def _bar(self, id: str, began_at: float, *, own: bool) -> Bar:
        if id not in self._bars:
            self._bars[id] = Bar(id, self._free(), began_at, own, until=began_at)
        return self._bars[id]

    def _free(self) -> int:
        taken = {bar.number for bar in self._bars.values()}
        return next(number for number in range(1, len(taken) + 2) if number not in taken)

    def _end(self, bar: Bar, now: float, position: int) -> None:
        expected = bar.why is not None or bar.doing is Doing.DRAINING or bar.until <= self._unseen_before
        bar.turn(Doing.GONE if expected else Doing.LOST, now)
        bar.ended, bar.position = True, position

    def _forget(self, now: float) -> None:
        ended = sorted((bar for bar in self._bars.values() if bar.ended), key=lambda bar: bar.until)
        more = len(self._bars) - BARS
        for index, bar in enumerate(ended):
            if index < more or not _is_of(bar, now):
                del self._bars[bar.id]
        for bar in self._bars.values():
            while len(bar.pieces) > 1 and bar.pieces[1][1] < now - KEPT_S:
                bar.pieces.pop(0)


def _doing(instance: Instance, bar: Bar, now: float) -> Doing:
    """Return what an instance does, by the autoscaler's words and its worker's own."""
    if instance.state is InstanceState.PENDING:
        return Doing.PENDING
    if instance.state is not InstanceState.RUNNING or bar.why:
        return Doing.DRAINING
    return Doing.BOOTING if bar.heard_at is None and instance.heard_at is None else bar.at_work(now)


def _is_of(bar: Bar, now: float) -> bool:
    return not bar.ended or bar.until > now - KEPT_S


def _join(earlier: Bar, own: Bar, before: float) -> None:
    """Have the earlier bar go on as one's own does since ``before``."""
    if earlier.ended and (own.ended or own.until <= before):
        return
    then = [piece for piece in own.pieces if piece[1] < before][-1:]
    since = [piece for piece in own.pieces if piece[1] >= before]
    earlier.pieces = [piece for piece in earlier.pieces if piece[1] < before]
    for doing, at in [*then, *since]:
        if earlier.doing is not doing:
            earlier.pieces.append((doing, max(at, before) if earlier.pieces else at))
    for name in ("until", "ended", "own", "done", "said_at", "heard_at", "worked_at"):
        setattr(earlier, name, getattr(own, name))
    earlier.usd = earlier.usd if own.usd is None else own.usd
    earlier.why = own.why or earlier.why


def bar_of(said: Fields) -> Bar:
    """Read what `Bar.to_json` gave.

    Raises:
        MalformedAnnouncement: it is something else.
    """
    return Bar(
        id=said.name("id"),
        number=said.count("number"),
        began_at=said.moment("began_at"),
        own=said.flag("own"),
        pieces=[(_doing_of(one), one.moment("at")) for one in said.parts("pieces")],
        until=said.moment("until"),
        ended=said.flag("ended"),
        usd=said.maybe_number("usd"),
        done=said.count("done"),
        why=said.maybe_name("why"),
    )


def _doing_of(said: Fields) -> Doing:
    try:
        return Doing(said.name("doing"))
    except ValueError:
        raise said.wrong("doing") from None
