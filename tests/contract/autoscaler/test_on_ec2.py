"""The autoscaler's loop on a real queue and an EC2 with bad days."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from structlog.testing import capture_logs

from app import aws
from app.announcements import Said, WorkerHeartbeat
from app.settings import Settings
from autoscaler.fleet.ec2 import Ec2Fleet
from autoscaler.launching import UNSETTLED
from autoscaler.listen import Hearing
from autoscaler.loop import Loop
from autoscaler.observe import Observer
from autoscaler.values import Limits, ScalingDecision
from tests.contract.ec2_server import Ec2Server, nobody


class Clock:
    """A time that the test moves."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.now

    def forward(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


class Queue:
    """The task queue, to put messages on."""

    def __init__(self, config: Settings) -> None:
        self._sqs = aws.client("sqs", config.aws)
        self._url = self._sqs.get_queue_url(QueueName=config.queue.name)["QueueUrl"]

    def put(self, count: int, delay_s: int = 0) -> None:
        for n in range(count):
            self._sqs.send_message(QueueUrl=self._url, MessageBody=str(n), DelaySeconds=delay_s)

    def take(self, count: int) -> None:
        """Have messages in flight."""
        for _ in range(count):
            self._sqs.receive_message(QueueUrl=self._url, MaxNumberOfMessages=1)

    def empty(self) -> None:
        self._sqs.purge_queue(QueueUrl=self._url)


@pytest.fixture
def queue(config: Settings) -> Queue:
    return Queue(config)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def fleet(ec2_settings: Settings) -> Ec2Fleet:
    return Ec2Fleet(ec2_settings, nobody)


@pytest.fixture
def loop(config: Settings, fleet: Ec2Fleet, clock: Clock) -> Loop:
    return Loop(Observer(config, fleet, clock), fleet, Limits(ceiling=19))


def launches(ec2: Ec2Server) -> list[str]:
    """The launches by their token; what is asked of several subnets is one launch."""
    return list(dict.fromkeys(call["ClientToken"].split("-")[0] for call in ec2.calls_of("RunInstances")))


@pytest.mark.parametrize(("images", "instances"), [(1, 1), (19, 19), (50, 19)])
def test_it_launches_one_instance_for_each_image_up_to_the_ceiling(
    loop: Loop, queue: Queue, fleet: Ec2Fleet, images: int, instances: int
) -> None:
    queue.put(images)
    for _ in range(3):
        loop.step()
    assert len(fleet.instances()) == instances


def test_images_in_flight_and_delayed_count_as_much_as_visible_ones(loop: Loop, queue: Queue, fleet: Ec2Fleet) -> None:
    queue.put(3)
    queue.take(2)
    queue.put(2, delay_s=600)
    loop.step()
    assert len(fleet.instances()) == 5


def test_an_empty_queue_launches_nothing_and_ends_nothing(
    loop: Loop, queue: Queue, fleet: Ec2Fleet, ec2: Ec2Server
) -> None:
    loop.step()
    assert fleet.instances() == []
    queue.put(2)
    loop.step()
    queue.empty()
    decision = loop.step()
    assert decision is not None
    assert decision.desired == 2
    assert len(fleet.instances()) == 2
    assert not ec2.calls_of("TerminateInstances")


def test_a_launch_whose_answer_was_lost_is_not_made_again(
    loop: Loop, queue: Queue, fleet: Ec2Fleet, ec2: Ec2Server, clock: Clock
) -> None:
    queue.put(4)
    ec2.faults["RunInstances"] = ["lost", "lost"]
    ec2.unlisted = 2
    assert loop.step() is None
    for _ in range(2):
        clock.forward(3)
        loop.step()
    assert len(launches(ec2)) == 1
    assert len(fleet.instances()) == 4


def test_after_a_lost_answer_the_old_launch_is_settled_before_a_larger_one(
    loop: Loop, queue: Queue, fleet: Ec2Fleet, ec2: Ec2Server, clock: Clock
) -> None:
    queue.put(4)
    ec2.faults["RunInstances"] = ["lost", "lost"]
    ec2.unlisted = 1
    loop.step()
    queue.put(20)
    for _ in range(3):
        clock.forward(3)
        loop.step()
    assert len(fleet.instances()) == 19


def test_an_unsettled_launch_is_given_up_once_the_list_has_told_what_it_did(
    loop: Loop, queue: Queue, ec2: Ec2Server, clock: Clock
) -> None:
    queue.put(1)
    ec2.faults["RunInstances"] = ["lost", "lost"]
    ec2.unlisted = 9
    loop.step()
    clock.forward(UNSETTLED.total_seconds() + 1)
    loop.step()
    assert len(launches(ec2)) == 2


@pytest.mark.parametrize("fault", ["500", "RequestLimitExceeded", "lost"])
def test_a_failed_describe_launches_nothing_and_is_said(loop: Loop, queue: Queue, ec2: Ec2Server, fault: str) -> None:
    queue.put(2)
    loop.step()
    queue.put(5)
    ec2.faults["DescribeInstances"] = [fault, fault]
    with capture_logs() as logs:
        assert loop.step() is None
    assert [entry["event"] for entry in logs] == ["step_failed"]
    assert len(launches(ec2)) == 1
    loop.step()
    assert len(launches(ec2)) == 2


def test_no_room_is_asked_again_only_after_a_pause_and_its_reason_is_said_once(
    loop: Loop, queue: Queue, fleet: Ec2Fleet, ec2: Ec2Server, ec2_settings: Settings, clock: Clock
) -> None:
    queue.put(2)
    ec2.room = dict.fromkeys(ec2_settings.ec2.subnets.split(","), 0)
    with capture_logs() as logs:
        for _ in range(5):
            loop.step()
            clock.forward(2)
    assert len(launches(ec2)) == 1
    said = [entry for entry in logs if entry["log_level"] == "warning" and entry["event"] != "launch_refused"]
    assert [entry["event"] for entry in said] == ["step_failed", "held"]
    assert "no room" in said[1]["reason"]
    ec2.room = {}
    clock.forward(36)
    loop.step()
    assert len(fleet.instances()) == 2


def test_instances_that_end_at_once_are_replaced_ever_more_slowly(
    loop: Loop, queue: Queue, fleet: Ec2Fleet, ec2: Ec2Server, clock: Clock
) -> None:
    queue.put(1)
    launched_at_step = []
    for step in range(13):
        before = len(launches(ec2))
        loop.step()
        launched_at_step += [step] * (len(launches(ec2)) - before)
        fleet.terminate([instance.id for instance in fleet.instances()])
        clock.forward(2)
    # Each end is seen one step, 2 s, after the launch; the pauses are 2 and 4 s from there, and then the breaker's.
    assert launched_at_step == [0, 2, 5]


def test_each_launch_is_logged_with_its_instances_and_its_reason(loop: Loop, queue: Queue, fleet: Ec2Fleet) -> None:
    queue.put(3)
    with capture_logs() as logs:
        loop.step()
    (entry,) = [entry for entry in logs if entry["event"] == "scaled_out"]
    assert sorted(entry["launched"]) == sorted(instance.id for instance in fleet.instances())
    assert (entry["desired"], entry["had"]) == (3, 0)
    assert entry["reason"].startswith("3 outstanding (3 visible, 0 in flight, 0 delayed)")


def heartbeat(instance: str, clock: Clock) -> Said:
    """What a worker says every two seconds."""
    return Said(WorkerHeartbeat(0, 0), f"{instance}@host", clock.now.timestamp())


@pytest.mark.parametrize("others", [True, False], ids=["others are heard", "none is heard"])
def test_an_instance_that_never_works_is_asked_to_leave_first_if_others_show_that_we_would_hear_it(
    config: Settings, queue: Queue, fleet: Ec2Fleet, ec2: Ec2Server, clock: Clock, others: bool
) -> None:
    hearing = Hearing(8, clock)
    hearing.begin()
    loop = Loop(Observer(config, fleet, clock, hearing), fleet, Limits(19, "deadline"))
    queue.put(50)
    loop.step()
    well, hung = (instance.id for instance in fleet.instances())
    queue.empty()
    with capture_logs() as logs:
        for _ in range(24):
            clock.forward(20)
            hearing.hear(heartbeat(well, clock) if others else Said(None, "leader", clock.now.timestamp()))
            loop.step()
    asked = [call["ResourceId.1"] for call in ec2.calls_of("CreateTags")]
    ended = [call["InstanceId.1"] for call in ec2.calls_of("TerminateInstances")]
    # Where none is heard, the first is the breaker's probe, and the other is ended.
    assert (asked, ended) == (([hung], [hung]) if others else ([], [max(well, hung)]))
    said = [entry for entry in logs if entry["event"] in ("drain_asked", "orphans_terminated")]
    assert [entry["event"] for entry in said] == ["drain_asked", "orphans_terminated"][0 if others else 1 :]
    assert not others or f"not heard for too long and asked to leave: {hung}" in said[0]["reason"]


def test_one_that_does_not_lead_watches_and_does_nothing(
    config: Settings, queue: Queue, fleet: Ec2Fleet, ec2: Ec2Server, clock: Clock
) -> None:
    led: list[bool] = []
    told: list[ScalingDecision] = []
    loop = Loop(
        Observer(config, fleet, clock),
        fleet,
        Limits(ceiling=19),
        leads=lambda: bool(led),
        tell=lambda seen, decision, limits: told.append(decision),
    )
    queue.put(2)
    assert loop.step() is None
    assert (fleet.instances(), told) == ([], [])
    led.append(True)
    assert loop.step() == told[0]
    assert len(fleet.instances()) == 2


def test_one_that_loses_the_lead_between_looking_and_acting_does_not_act(
    config: Settings, queue: Queue, fleet: Ec2Fleet, clock: Clock
) -> None:
    answers = iter([True, False])
    loop = Loop(Observer(config, fleet, clock), fleet, Limits(ceiling=19), leads=lambda: next(answers))
    queue.put(2)
    loop.step()
    assert fleet.instances() == []


def test_a_step_that_failed_is_told_to_those_who_follow_the_decisions(
    config: Settings, queue: Queue, fleet: Ec2Fleet, ec2: Ec2Server, clock: Clock
) -> None:
    told: list[ScalingDecision] = []
    loop = Loop(
        Observer(config, fleet, clock),
        fleet,
        Limits(ceiling=19),
        tell=lambda seen, decision, limits: told.append(decision),
    )
    queue.put(2)
    loop.step()
    ec2.faults["DescribeInstances"] = ["500", "500"]
    loop.step()
    assert [(decision.held, decision.launch) for decision in told] == [(False, 2), (True, 0)]
    assert "listing the fleet" in told[1].reason
