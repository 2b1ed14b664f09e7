"""The autoscaler's loop through errors that nobody foresaw."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from app import aws
from app.errors import TransientError
from app.process.alive import AliveFile
from app.settings import Settings
from autoscaler.loop import Loop
from autoscaler.observe import Observer
from autoscaler.values import Limits, Observation, ScalingDecision
from tests.support.failing import Failing


class Case:
    """A loop on a queue with one image and a fleet that fails, and what it tells."""

    def __init__(self, config: Settings, *errors: Exception) -> None:
        sqs = aws.client("sqs", config.aws)
        url = sqs.get_queue_url(QueueName=config.queue.name)["QueueUrl"]
        sqs.send_message(QueueUrl=url, MessageBody="an image")
        self.fleet = Failing(*errors)
        self.told: list[ScalingDecision] = []
        self.loop = Loop(Observer(config, self.fleet), self.fleet, Limits(ceiling=19), tell=self._tell)

    def run(self, steps: int, alive: AliveFile, before_each: Callable[[], object] = lambda: None) -> list[float]:
        """Run the loop for so many steps; return the pauses before them."""
        pauses_s: list[float] = []

        def wait(pause_s: float) -> bool:
            pauses_s.append(pause_s)
            before_each()
            return len(pauses_s) > steps

        self.loop.run(wait, 2.0, alive)
        return pauses_s

    def _tell(self, seen: Observation, decision: ScalingDecision, limits: Limits) -> None:
        self.told.append(decision)


NO_FILE = AliveFile("")


def test_an_error_that_nobody_foresaw_costs_one_step_and_is_logged_with_its_traceback(config: Settings) -> None:
    case = Case(config, OSError("the disk is full"))
    with capture_logs() as logs:
        case.run(2, NO_FILE)
    broke, went_on = logs
    assert (broke["event"], broke["of"], broke["reason"]) == ("step_broke", "autoscaler", "OSError: the disk is full")
    assert broke["exc_info"]
    assert went_on["event"] == "scaled_out"


def test_it_is_told_to_those_who_follow_the_decisions(config: Settings) -> None:
    case = Case(config, KeyError("x"))
    with capture_logs():
        case.run(2, NO_FILE)
    assert [(decision.held, decision.launch) for decision in case.told] == [(True, 0), (False, 1)]
    assert case.told[0].reason == "KeyError: 'x'"


def test_what_became_of_the_launch_that_broke_is_unknown_so_it_is_asked_again_under_its_token(config: Settings) -> None:
    case = Case(config, KeyError("x"))
    with capture_logs():
        case.run(2, NO_FILE)
    (_, first), (_, again) = case.fleet.asked
    assert first == again


def test_a_loop_that_only_breaks_pauses_for_longer_and_longer(config: Settings) -> None:
    with capture_logs() as logs:
        pauses_s = Case(config, *[OSError("the disk is full")] * 5).run(5, NO_FILE)
    assert pauses_s == [0.0, 2.0, 2.0, 4.0, 8.0, 15.0]
    assert [told["in_a_row"] for told in logs] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("error", "lives"),
    [(OSError("the disk is full"), False), (TransientError("no answer"), True)],
    ids=["an error that nobody foresaw", "AWS does not answer"],
)
def test_only_a_step_that_came_to_its_end_is_a_sign_of_life(
    config: Settings, tmp_path: Path, error: Exception, lives: bool
) -> None:
    file = tmp_path / "alive"
    with capture_logs():
        Case(config, error).run(1, AliveFile(str(file)))
    assert file.exists() == lives


def test_a_loop_that_recovers_is_alive_again(config: Settings, tmp_path: Path) -> None:
    file = tmp_path / "alive"
    lived: list[bool] = []
    with capture_logs():
        Case(config, KeyError("x")).run(2, AliveFile(str(file)), lambda: lived.append(file.exists()))
    assert lived == [False, False, True]
