"""What each machine did, as a bar in pieces."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import pytest

from app.announcements import WorkerCounts, WorkerHeartbeat, WorkerLeaving, WorkerOffline, WorkerOnline
from app.domain import FleetCost, Instance, InstanceState
from app.errors import MalformedAnnouncement
from app.fields import Fields
from app.hour.timeline import BARS, KEPT_S, PIECES, SILENT_S, Timeline
from tests.support.fleet import decision

NOW = 1_800_000_000.0
PENDING, RUNNING, DRAINING = InstanceState.PENDING, InstanceState.RUNNING, InstanceState.DRAINING


def instance(id: str, state: InstanceState = RUNNING, *, launched_at: float = NOW, heard: bool = False) -> Instance:
    launched = datetime.fromtimestamp(launched_at, UTC)
    return Instance(id, state, launched, launched if heard else None)


class Fleet:
    """A timeline, told of at seconds after `NOW`."""

    def __init__(self) -> None:
        self.timeline = Timeline()
        self._position = 0

    def decided(self, after_s: float, *fleet: Instance, usd: Iterable[tuple[str, float]] = ()) -> bool:
        self._position += 1
        cost = FleetCost(0.0, 0.0, 0.0, "c7i.large", each=tuple(usd))
        return self.timeline.decided(decision(fleet=fleet, cost=cost), NOW + after_s, self._position)

    def says(self, after_s: float, id: str, counts: WorkerCounts) -> bool:
        self._position += 1
        return self.timeline.counted(id, counts, NOW + after_s, NOW + after_s, self._position)

    def leaves(self, after_s: float, id: str, why: str = "idle") -> bool:
        self._position += 1
        return self.timeline.leaving(id, WorkerLeaving(why), NOW + after_s, self._position)

    def bars(self, after_s: float = 0.0, since: int = 0) -> dict[str, dict[str, Any]]:
        return {bar["id"]: bar for bar in self.timeline.view(NOW + after_s, since)}

    def pieces(self, id: str, after_s: float = 0.0) -> list[tuple[str, float]]:
        return [(piece["doing"], piece["at"] - NOW) for piece in self.bars(after_s)[id]["pieces"]]


@pytest.fixture
def fleet() -> Fleet:
    return Fleet()


def test_a_machine_s_life_from_its_launch_to_its_end(fleet: Fleet) -> None:
    assert fleet.decided(2, instance("a", PENDING))
    assert fleet.decided(10, instance("a"))
    assert not fleet.decided(12, instance("a"))
    assert fleet.says(20, "a", WorkerOnline(0, 0))
    assert fleet.says(22, "a", WorkerHeartbeat(3, 3))
    assert not fleet.says(24, "a", WorkerHeartbeat(0, 9))
    assert fleet.says(30, "a", WorkerHeartbeat(0, 9))
    assert not fleet.decided(31, instance("a", heard=True), usd=[("a", 0.25)])
    assert fleet.leaves(40, "a")
    assert not fleet.says(41, "a", WorkerOffline(0, 9))
    assert fleet.decided(50)
    bar = fleet.bars(50)["a"]
    assert fleet.pieces("a", 50) == [
        ("pending", 0), ("booting", 10), ("idle", 20), ("working", 22), ("idle", 30), ("draining", 40), ("gone", 50),
    ]  # fmt: skip
    assert (bar["ended"], bar["why"], bar["usd"], bar["done"], bar["until"]) == (True, "idle", 0.25, 9, NOW + 50)


def test_a_machine_that_is_gone_without_a_goodbye_is_lost_and_so_is_a_silent_one(fleet: Fleet) -> None:
    fleet.decided(0, instance("a"), instance("b", heard=True))
    fleet.says(1, "b", WorkerHeartbeat(1, 1))
    fleet.decided(2, instance("b", heard=True))
    assert fleet.pieces("a") == [("booting", 0), ("lost", 2)]
    fleet.decided(2 + SILENT_S, instance("b", heard=True))
    assert fleet.pieces("b")[-1] == ("lost", 2 + SILENT_S)
    assert not fleet.bars()["b"]["ended"]
    fleet.says(100, "b", WorkerHeartbeat(1, 5))
    assert fleet.pieces("b")[-1] == ("working", 100)


def test_one_that_is_back_in_the_fleet_goes_on(fleet: Fleet) -> None:
    fleet.decided(0, instance("a"))
    fleet.decided(2)
    fleet.decided(4, instance("a"))
    assert fleet.pieces("a") == [("booting", 0), ("lost", 2), ("booting", 4)]
    assert not fleet.bars()["a"]["ended"]


def test_numbers_are_small_and_nobody_else_s_while_the_hour_knows_them(fleet: Fleet) -> None:
    fleet.decided(0, instance("a"), instance("b"))
    fleet.decided(10, instance("b"), instance("c"))
    assert {id: bar["number"] for id, bar in fleet.bars(10).items()} == {"a": 1, "b": 2, "c": 3}
    fleet.decided(20 + KEPT_S, instance("b"), instance("d"))
    assert fleet.bars(20 + KEPT_S)["d"]["number"] == 1


def test_a_worker_that_is_no_instance_has_a_bar_until_it_is_gone_or_silent(fleet: Fleet) -> None:
    fleet.says(0, "by-hand", WorkerHeartbeat(1, 1))
    fleet.says(0, "other", WorkerHeartbeat(0, 1))
    assert not fleet.bars()["by-hand"]["own"]
    fleet.says(5, "by-hand", WorkerOffline(0, 1))
    assert fleet.pieces("by-hand") == [("working", 0), ("draining", 5), ("gone", 5)]
    assert not fleet.says(4, "by-hand", WorkerHeartbeat(1, 1)), "a queue keeps no order"
    fleet.decided(SILENT_S + 1)
    assert fleet.pieces("other", SILENT_S)[-1] == ("lost", SILENT_S + 1)
    fleet.says(SILENT_S + 2, "new", WorkerHeartbeat(0, 0))
    fleet.decided(SILENT_S + 3, instance("new", launched_at=NOW + SILENT_S - 10, heard=True))
    assert fleet.bars()["new"]["own"]
    assert fleet.bars()["new"]["began_at"] == NOW + SILENT_S - 10


def test_of_an_hour_so_many_bars_and_pieces_are_kept(fleet: Fleet) -> None:
    for number in range(2 * BARS):
        fleet.decided(number, instance(f"i-{number}", launched_at=NOW + number), instance("stays"))
        fleet.says(number, "stays", WorkerHeartbeat(number // 6 % 2, 0))
    bars = fleet.bars(2 * BARS)
    assert len(bars) <= BARS + 2
    assert "stays" in bars
    pieces = fleet.pieces("stays")
    assert len(pieces) == PIECES
    assert pieces[0] == ("working", 0)
    fleet.decided(2 * KEPT_S, instance("stays"))
    assert set(fleet.bars(2 * KEPT_S)) == {"stays", f"i-{2 * BARS - 1}"}, "the other has just been missed"
    assert len(fleet.pieces("stays")) == 2, "the last before the hour began, and what it does now"


def test_only_what_has_changed_since_is_told(fleet: Fleet) -> None:
    fleet.decided(0, instance("a"))
    fleet.decided(2)
    fleet.decided(4, instance("b"))
    assert set(fleet.bars(since=2)) == {"b"}
    assert set(fleet.bars(since=1)) == {"a", "b"}


def test_what_one_has_kept_another_takes_over_with_the_numbers_and_goes_on(fleet: Fleet) -> None:
    fleet.decided(0, instance("a"), instance("b"))
    fleet.says(1, "b", WorkerHeartbeat(1, 1))
    fleet.leaves(5, "a")
    early = [Fields(bar) for bar in fleet.timeline.view(NOW + 6)]
    fleet.decided(8, instance("b", heard=True))
    fleet.says(9, "b", WorkerHeartbeat(0, 9))
    fleet.decided(15, instance("b", heard=True))
    later = [Fields(bar) for bar in fleet.timeline.view(NOW + 15)]

    other = Fleet()
    other.decided(10, instance("b", heard=True), instance("new", PENDING, launched_at=NOW + 10))
    other.timeline.adopt(early, NOW + 10, 7)
    assert {id: bar["number"] for id, bar in other.bars().items()} == {"a": 1, "b": 2, "new": 3}
    assert other.pieces("b") == [("booting", 0), ("working", 1), ("idle", 10)]
    other.decided(16, instance("b", heard=True), instance("new", PENDING, launched_at=NOW + 10))
    assert other.pieces("a")[-1] == ("gone", 16), "nobody has seen it go"
    other.timeline.adopt(later, NOW + 10, 8)
    assert other.pieces("a") == [("booting", 0), ("draining", 5), ("gone", 8)]
    assert other.pieces("b") == [("booting", 0), ("working", 1), ("idle", 8), ("working", 9), ("idle", 10)]
    with pytest.raises(MalformedAnnouncement, match="doing"):
        other.timeline.adopt([Fields({**later[0]._data, "pieces": [{"doing": "x", "at": 1}]})], NOW, 9)
