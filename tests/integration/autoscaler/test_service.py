"""`elastiq autoscaler` as a process of its own, on this machine."""

from __future__ import annotations

import signal
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.account.provision import provision
from app.account.status import look
from app.announcements import ImagesQueued, ScalingDecided
from app.brakes import Brake
from app.local.registry import Registry
from app.settings import Ec2Settings, Settings
from autoscaler.memory.spent import Spent
from autoscaler.reclaimed import Reclaimed
from autoscaler.service import Autoscaler
from autoscaler.spending import Spending
from autoscaler.values import Limits
from tasks.celery import make_app
from tests.support.autoscaler import (
    TIMEOUT_S,
    autoscaler,
    submit,
    wait_for_event,
    wait_for_instances,
)
from tests.support.fault_proxy import FaultProxy
from tests.support.listening import announced
from tests.support.records import records
from tests.support.waiting import wait_for


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "autoscaler.log"


def test_sigterm_ends_it_cleanly(environment: dict[str, str], log: Path) -> None:
    with autoscaler(environment, log) as process:
        wait_for_event(log, "autoscaler_started")
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    assert records(log, "autoscaler_stopped")


def test_a_policy_that_does_not_exist_ends_it_with_the_names_of_those_that_do(environment: dict[str, str]) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "app.cli", "autoscaler"],
        env={**environment, "ELASTIQ_POLICY": "sede"},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
    )
    assert ended.returncode == 2
    assert "ELASTIQ_POLICY='sede' must be one of: " in ended.stderr
    assert "seed" in ended.stderr


def test_a_queue_that_is_not_there_yet_is_said_once_and_waited_for(
    environment: dict[str, str], log: Path, proxy: FaultProxy
) -> None:
    missing = {
        **environment,
        "ELASTIQ_QUEUE": environment["ELASTIQ_QUEUE"] + "-later",
        "ELASTIQ_MAX_INSTANCES": "1",
        "AWS_ENDPOINT_URL": proxy.endpoint_url,
    }
    with autoscaler(missing, log) as process:
        (failure,) = wait_for_event(log, "step_failed")
        assert "elastiq provision" in str(failure["reason"])
        wait_for_calls(proxy, "GetQueueUrl", 6)
        assert len(records(log, "step_failed")) == 1
        assert process.poll() is None
        provision(Settings.from_environment(missing))
        submit(missing, 1)
        wait_for_event(log, "scaled_out")


def test_its_instances_outlive_it_and_the_next_one_counts_them(
    environment: dict[str, str], log: Path, registry: Registry, proxy: FaultProxy
) -> None:
    lasting = {**environment, "ELASTIQ_IDLE_SECONDS": "0", "ELASTIQ_MAX_INSTANCES": "2", "ELASTIQ_POLICY": "seed"}
    submit(lasting, 3)
    with autoscaler(lasting, log) as process:
        before = wait_for_instances(registry, 2)
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    with autoscaler({**lasting, "AWS_ENDPOINT_URL": proxy.endpoint_url}, log):
        wait_for_event(log, "leading", count=2)
        wait_for_calls(proxy, "GetQueueAttributes", 6)
        assert [entry.id for entry in registry.entries("instance")] == [entry.id for entry in before]


def test_images_that_are_queued_where_no_worker_is_heard_are_looked_at_at_once(
    environment: dict[str, str], log: Path, registry: Registry
) -> None:
    lasting = {**environment, "ELASTIQ_IDLE_SECONDS": "0", "ELASTIQ_OBSERVE_SECONDS": "3600"}
    app = make_app(Settings.from_environment(lasting))
    with autoscaler(lasting, log), announced(app) as said, app.connection_for_write() as connection:
        # The only look that it takes by itself finds nothing; from then on it is heard, and hears.
        wait_for(lambda: any(isinstance(one.what, ScalingDecided) for one in list(said)), 60, log.read_text)
        submit(lasting, 1)
        web = app.events.Dispatcher(connection, hostname="web@host")

        def told() -> bool:
            web.send(ImagesQueued.TYPE, **ImagesQueued(1).to_event())  # it may not be heard before it has subscribed
            return bool(registry.entries("instance"))

        wait_for(told, 60, log.read_text)


def wait_for_calls(proxy: FaultProxy, action: str, count: int) -> None:
    """Wait until so many more calls were made, of which there is one in each step."""
    before = proxy.calls[action]
    wait_for(lambda: proxy.calls[action] >= before + count, what=lambda: proxy.calls)


def test_a_worker_that_cannot_start_is_said_with_its_log_and_not_started_without_end(
    environment: dict[str, str], log: Path, registry: Registry, tmp_path: Path
) -> None:
    broken = {**environment, "ELASTIQ_MODEL_DIR": str(tmp_path / "none"), "ELASTIQ_MAX_INSTANCES": "1"}
    submit(broken, 1)
    with autoscaler(broken, log):
        failed = wait_for_event(log, "instance_failed")[0]
        held = wait_for_event(log, "held")[0]
    assert "python -m tasks.engine build" in Path(str(failed["log"])).read_text()
    assert "before they could work" in str(held["reason"])


# An autoscaler of before, whose instances outlived it.
LAUNCH = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from autoscaler.fleet.processes import LocalFleet
LocalFleet(Path(sys.argv[1])).launch(2, "first")
"""


def test_a_drain_that_cannot_be_recorded_does_not_end_it(
    environment: dict[str, str], log: Path, registry: Registry
) -> None:
    data_dir = environment["ELASTIQ_DATA_DIR"]
    lasting = {
        **environment,
        "ELASTIQ_IDLE_SECONDS": "0",
        "ELASTIQ_MIN_BILLED_SECONDS": "1",
        "ELASTIQ_POLL_SECONDS": "1",
    }
    subprocess.run([sys.executable, "-c", LAUNCH, data_dir], env=lasting, check=True, timeout=TIMEOUT_S)
    # What would be written in their place is a folder: as if the disk were full.
    blocked = [Path(data_dir) / "run" / f"{entry.id}.new" for entry in registry.entries("instance")]
    for path in blocked:
        path.mkdir()
    with autoscaler(lasting, log) as process:
        (failure,) = wait_for_event(log, "step_failed")
        assert "asking worker processes to leave" in str(failure["reason"])
        for path in blocked:
            path.rmdir()
        wait_for_event(log, "drain_asked")
        assert process.poll() is None


def test_what_the_day_has_cost_before_holds_the_next_autoscaler_back_and_status_says_so(
    environment: dict[str, str], log: Path
) -> None:
    frugal = {**environment, "ELASTIQ_DAILY_BUDGET": "2"}
    config = Settings.from_environment(frugal)
    Spending(config).note(Spent(datetime.now(UTC), 2.5))
    submit(frugal, 1)
    with autoscaler(frugal, log):
        wait_for_event(log, "budget_used_up")
        (held,) = wait_for_event(log, "held")
        wait_for(lambda: not look(config)[-1].well)
    assert "are used up" in str(held["reason"])
    assert Brake.BUDGET.says in look(config)[-1].said
    assert not records(log, "scaled_out")


def test_what_was_taken_back_of_spot_holds_the_next_autoscaler_s_fleet_from_it(config: Settings) -> None:
    on_spot = replace(config, ec2=Ec2Settings(launch_template="lt-1", spot=True, spot_interruptions=2))
    now = datetime.now(UTC)
    Reclaimed(on_spot).note({"i-1": now, "i-2": now})
    assert Autoscaler(on_spot, Limits(19), lambda: None).fleet.spot_resting
    seldom = replace(on_spot, ec2=replace(on_spot.ec2, spot_interruptions=3))
    assert not Autoscaler(seldom, Limits(19), lambda: None).fleet.spot_resting
