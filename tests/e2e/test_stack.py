"""`elastiq up`, from outside: it starts, works, survives what befalls its parts, and stops without a trace."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from app.domain import new_batch_id
from tests.conftest import models
from tests.support.stack import TIMEOUT_S, Stack, stack
from tests.support.waiting import wait_for

MODELS = {"ELASTIQ_MODEL_DIR": str(models())}


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The rule and the ceiling of the original course's report, with workers that leave sooner."""
    settings = {
        **MODELS,
        "ELASTIQ_POLICY": "seed",
        "ELASTIQ_MAX_INSTANCES": "19",
        "ELASTIQ_IDLE_SECONDS": "8",
        "ELASTIQ_QUEUE": "course-tasks",
    }
    with stack(tmp_path_factory.mktemp("course") / "data", **settings) as running:
        yield running


def elastiq(command: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "app.cli", command], env=environment, capture_output=True, text=True, timeout=TIMEOUT_S
    )


def answers(page: str) -> bool:
    try:
        with urllib.request.urlopen(page, timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def test_the_address_that_it_prints_answers_and_ctrl_c_leaves_no_process(data_dir: Path) -> None:
    with stack(data_dir, **MODELS) as running:
        assert answers(running.page)
        keys = running.submit("batch", 3)
        running.wait_for_results("batch", keys)
        assert running.instances()
        assert running.stop(signal.SIGINT) == 0
        assert running.processes() == []
        assert not answers(running.page)


def test_what_is_queued_when_it_stops_is_done_after_the_next_start(data_dir: Path) -> None:
    with stack(data_dir, **MODELS) as running:
        keys = running.submit("batch", 30)
        assert running.stop(signal.SIGTERM) == 0
    with stack(data_dir, **MODELS) as running:
        assert {image.key for image in running.storage().images("batch")} == set(keys)
        running.wait_for_results("batch", keys)


def test_all_children_follow_it_when_it_is_killed_and_the_next_one_clears_up(data_dir: Path) -> None:
    with stack(data_dir, **MODELS) as killed:
        keys = killed.submit("batch", 2)
        killed.wait_for_results("batch", keys)
        (left, *_) = killed.instances()
        killed.process.kill()
        instances = {entry.pid for entry in killed.instances()}
        wait_for(
            lambda: {one.pid for one in killed.processes()} <= {killed.process.pid, *instances}, what=killed.processes
        )
        with stack(data_dir, **MODELS) as running:
            assert left.process() is None
            assert running.results("batch") == set(keys)
            more = running.submit("more", 1)
            running.wait_for_results("more", more)


def test_what_images_cost_is_told_of_their_batch_and_of_the_day(course: Stack) -> None:
    id = new_batch_id(datetime.now(UTC), b"cost")
    keys = course.submit(id, 5)
    course.wait_for_results(id, keys)

    def read(path: str) -> dict[str, Any]:
        with urllib.request.urlopen(f"{course.page}/api/{path}", timeout=20) as answer:
            found: dict[str, Any] = json.load(answer)["cost"] or {}
            return found

    cost = wait_for(lambda: (found := read(f"batches/{id}/cost")).get("images") == 5 and found, TIMEOUT_S)
    assert 0 < cost["usd"] < 0.1
    fleet = wait_for(lambda: (found := read("fleet"))["calls"]["s3_put"] >= 5 and found, TIMEOUT_S)
    assert fleet["hosts_today_usd"] > 0
    assert fleet["thousand_images_usd"] > 0
    assert fleet["priced_as"].startswith("as if ")


def test_a_part_that_dies_is_started_again_and_its_death_is_said(course: Stack) -> None:
    (web,) = [one for one in course.parts() if one.cmdline()[-1] == "web"]
    web.kill()
    wait_for(lambda: '"ended_unasked"' in course.said, TIMEOUT_S, lambda: course.said)
    wait_for(lambda: answers(course.page), TIMEOUT_S, lambda: course.said)


def test_a_line_in_a_log_that_is_no_record_ends_nothing(course: Stack) -> None:
    with (course.data_dir / "logs" / "web.log").open("ab") as log:
        log.write(b"{this is no JSON\n[7]\n\xff\xfe\n" + b'{"event": "still_followed", "level": "warning"}\n')
    wait_for(lambda: "still_followed" in course.said, what=lambda: course.said)
    assert answers(course.page)


def test_a_part_that_cannot_be_started_again_for_now_is_started_later(data_dir: Path) -> None:
    with stack(data_dir, **MODELS) as running:
        # As if the disk were full: what would be written in its place is a folder.
        blocked = data_dir / "run" / "web.new"
        blocked.mkdir()
        (web,) = [one for one in running.parts() if one.cmdline()[-1] == "web"]
        web.kill()
        wait_for(lambda: "step_broke" in running.said, what=lambda: running.said)
        assert not answers(running.page)
        blocked.rmdir()
        wait_for(lambda: answers(running.page), what=lambda: running.said)


def test_a_part_that_cannot_live_stops_everything_with_its_last_words(data_dir: Path) -> None:
    broken = Stack(data_dir, **MODELS, ELASTIQ_POLICY="wrong")
    assert broken.process.wait(TIMEOUT_S) == 2
    assert "autoscaler ended 4 times within a minute; the last time with status 2" in broken.said
    assert "ELASTIQ_POLICY='wrong' must be one of" in broken.said
    assert broken.processes() == []


def test_a_model_that_cannot_be_built_stops_everything_and_is_said(data_dir: Path) -> None:
    broken = Stack(data_dir, **MODELS, ELASTIQ_MODEL="no_such_model")
    assert broken.process.wait(TIMEOUT_S) == 2
    assert "elastiq: the model 'no_such_model' could not be built; above is why" in broken.said
    assert broken.said.index("no_such_model") < broken.said.index("above is why")
    assert broken.processes() == []


def test_a_second_one_on_the_same_data_is_refused(course: Stack) -> None:
    refused = elastiq("up", course.environment)
    assert refused.returncode == 2
    assert f"`elastiq up` runs on {course.data_dir} already" in refused.stderr
    assert answers(course.page)


def test_env_prints_what_a_shell_can_use(course: Stack) -> None:
    printed = elastiq("env", course.environment).stdout
    script = f"{printed}\nexec {sys.executable} -m app.cli status"
    status = subprocess.run(["sh", "-c", script], env={}, capture_output=True, text=True, timeout=TIMEOUT_S)
    assert status.returncode == 0, status.stdout + status.stderr
    assert "course-tasks" in status.stdout


@pytest.mark.slow
def test_a_worker_killed_in_the_middle_of_50_images_loses_none(data_dir: Path) -> None:
    settings = {**MODELS, "ELASTIQ_MAX_INSTANCES": "2", "ELASTIQ_CONCURRENCY": "1", "ELASTIQ_POLICY": "seed"}
    with stack(data_dir, **settings) as running:
        keys = running.submit("batch", 50)
        wait_for(lambda: len(running.results("batch")) >= 3, TIMEOUT_S, lambda: running.said)
        victim = max(running.instances(), key=lambda entry: worked(running, entry.id))
        process = victim.process()
        assert process is not None
        process.kill()
        assert len(running.results("batch")) < 50
        running.wait_for_results("batch", keys)
        assert 1 <= worked(running, victim.id) < 50


def worked(running: Stack, instance: str) -> int:
    """How many images an instance has done."""
    return running.log(instance).count(" succeeded in ")


@pytest.mark.slow
@pytest.mark.parametrize(("images", "instances"), [(1, 1), (19, 19), (50, 19)])
def test_the_cases_of_the_report(course: Stack, images: int, instances: int) -> None:
    """One instance for each image up to 19, each image done exactly once, and the fleet back at 0 by itself."""
    before = course.launched()
    keys = course.submit(f"case-{images}", images)
    course.wait_for_results(f"case-{images}", keys)
    course.wait_until_no_instance_is_left()
    assert course.launched() - before == instances
    times_done = course.times_done()
    assert [times_done[key] for key in keys] == [1] * images
