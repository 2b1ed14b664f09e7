"""`elastiq up`: the whole system on one machine. It starts everything, watches it, and stops it in order.

In order: web first, so that no new work comes; the autoscaler, so that no new instance does; the instances, which
finish or give back what they hold; the cloud last, which saves its queues.
"""

from __future__ import annotations

import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import click
import structlog

from app import aws
from app.account.provision import provision
from app.errors import ConfigurationError, TransientError
from app.local import flower
from app.local.cloud import EmbeddedCloud, free_port
from app.local.directory import DataDirectory
from app.local.process import with_parent
from app.local.registry import Entry, end
from app.local.service import Restarts, Service
from app.process.address import http_address
from app.process.healthy import why_not
from app.process.signals import StopSignals
from app.process.steps import repeat
from app.settings import Settings

log = structlog.get_logger(__name__)

LOOK_S = 0.25
PAGE_S = 60
# How long each part may take to end when asked: web lets uploads end, instances their images.
FLOWER_S, WEB_S, AUTOSCALER_S, INSTANCES_S, LEFTOVERS_S = 5, 15, 10, 20, 20
KEPT_INSTANCE_LOGS = 100


def up(settings: Settings, *, with_flower: bool = False) -> int:
    """Run everything until SIGINT, SIGTERM or SIGHUP; a second signal hurries the stop.

    Args:
        settings: what it is made of.
        with_flower: whether Flower runs too.

    Returns:
        The exit status: 0 when it was asked to stop.

    Raises:
        ConfigurationError: another one runs on this data directory, a port is taken, or a part cannot run.
    """
    stop = StopSignals(signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    directory = DataDirectory(Path(settings.local.data_dir))
    with directory.alone():
        stack = _Stack(settings, directory, stop, flower.place(os.environ) if with_flower else None)
        try:
            stack.start()
            stack.watch()
        except _StopAsked:
            pass
        finally:
            stack.stop()
    return 0


def read_environment(data_dir: Path) -> dict[str, str]:
    """Return the variables with which another program uses what `up` runs on ``data_dir``.

    Raises:
        ConfigurationError: nothing runs there, or not yet.
    """
    return DataDirectory(data_dir).read_environment()


class _StopAsked(Exception):
    """A signal came."""


class _Stack:
    """The parts of one running system."""

    def __init__(
        self, settings: Settings, directory: DataDirectory, stop: StopSignals, flower_at: flower.Place | None
    ) -> None:
        self._settings = replace(
            settings,
            web=replace(settings.web, port=settings.web.port or free_port()),
            local=replace(settings.local, data_dir=str(directory.path)),
        )
        self._directory, self._stop = directory, stop
        self._cloud = None if settings.aws.endpoint_url else self._own_cloud()
        self._cloud_is_ready = False
        self._cloud_restarts = Restarts()
        self._web, self._autoscaler = Service("web", directory), Service("autoscaler", directory)
        self._flower_at = flower_at
        self._flower = Service("flower", directory, flower_at.environment) if flower_at else None
        self._started: list[Service] = []

    def start(self) -> None:
        """Start every part, and say where the page is once it answers.

        Raises:
            ConfigurationError: a part cannot run.
            _StopAsked: a signal came.
        """
        self._clear_up()
        _refuse_a_taken_port(self._settings.web.host, self._settings.web.port, "ELASTIQ_PORT", ", or to 0 for any")
        if self._flower_at:
            _refuse_a_taken_port(self._flower_at.host, self._flower_at.port, "FLOWER_PORT")
        _set_environment(self._settings, own_cloud=self._cloud is not None)
        building = subprocess.Popen(
            with_parent([sys.executable, "-m", "tasks.engine", "build"]), start_new_session=True, stdout=sys.stderr
        )
        try:
            self._start_cloud()
            self._start_service(self._web)
            self._await_model(building)
        finally:
            building.terminate()
            building.wait()
        self._await_page()
        self._start_service(self._autoscaler)
        if self._flower:
            self._start_service(self._flower)
        self._directory.publish_environment(_published(os.environ, own_cloud=self._cloud is not None))
        _say(_welcome(self._settings, self._directory, self._flower_at), err=False)

    def watch(self) -> None:
        """Keep every part running until a signal comes, whatever else fails.

        Raises:
            ConfigurationError: a part ended too often.
        """
        repeat(self._look, self._stop.wait, lambda: LOOK_S, name="up", fatal=(ConfigurationError,))

    def stop(self) -> None:
        """Stop every part in order. Nothing of ours runs afterwards."""
        self._directory.withdraw_environment()
        if not self._directory.registry.entries():
            return
        _say("Stopping everything in order; a second Ctrl-C hurries.")
        viewer = [(self._flower, FLOWER_S)] if self._flower else []
        for service, timeout_s in (*viewer, (self._web, WEB_S), (self._autoscaler, AUTOSCALER_S)):
            self._end(service.entries(), timeout_s)
            service.reap()
        self._end(self._directory.registry.entries("instance"), INSTANCES_S)
        if self._cloud is not None:
            self._cloud.stop()
        _say(f"Stopped. Images, results and queues are kept in {self._directory.path}.")

    def _end(self, entries: list[Entry], timeout_s: float) -> None:
        asked = max(1, self._stop.count)
        end(entries, timeout_s, lambda pause_s: self._stop.wait(pause_s, above=asked) or asked > 1)

    def _own_cloud(self) -> EmbeddedCloud:
        def record(pid: int) -> None:
            self._directory.registry.add("cloud", "cloud", pid, time.time())

        return EmbeddedCloud(self._directory.cloud, self._settings.local.cloud_port, record)

    def _start_cloud(self) -> None:
        """Have the cloud run, with its buckets and queues."""
        if self._cloud is not None and not self._cloud.alive():
            self._cloud.start()
            os.environ.update(self._cloud.environment)
        try:
            provision(Settings.from_environment(os.environ))
        except TransientError as err:
            if self._cloud is not None:
                raise
            text = "this shell has AWS_ENDPOINT_URL set, maybe by `elastiq env` of a run that has ended"
            raise ConfigurationError(f"{err}; {text}: unset it, or open another terminal") from err
        self._cloud_is_ready = True

    def _start_service(self, service: Service) -> None:
        service.start()
        self._started.append(service)

    def _wait_a_moment(self) -> None:
        """Wait, then look.

        Raises:
            ConfigurationError: a part ended too often.
            _StopAsked: a signal came.
        """
        if self._stop.wait(LOOK_S):
            raise _StopAsked
        self._look()

    def _look(self) -> None:
        """Start again what has ended.

        Raises:
            ConfigurationError: a part ended too often.
            TransientError: one cannot be started now.
        """
        if self._cloud is not None and not self._cloud.alive():
            self._cloud_is_ready = False
            self._cloud_restarts.one_more("the embedded cloud", f"its log is in {self._directory.cloud}")
            log.error(
                "cloud_ended_unasked",
                lost="messages since its last start; no image, no result",
                now="it is started again",
            )
        if not self._cloud_is_ready:
            self._start_cloud()
        for service in self._started:
            service.watch()

    def _await_model(self, building: subprocess.Popen[bytes]) -> None:
        while (status := building.poll()) is None:
            self._wait_a_moment()
        if status:
            raise ConfigurationError(f"the model {self._settings.engine.model!r} could not be built; above is why")

    def _await_page(self) -> None:
        deadline = time.monotonic() + PAGE_S
        while why_not(f"{http_address(self._settings.web.host, self._settings.web.port)}/healthz"):
            if time.monotonic() > deadline:
                raise ConfigurationError(f"web does not answer after {PAGE_S} s; {self._web.end_of_log()}")
            self._wait_a_moment()

    def _clear_up(self) -> None:
        """End what a run that was killed left behind, and drop the oldest of the instances' logs."""
        left = self._directory.registry.entries()
        if left:
            log.warning("leftovers_ended", of="a run that was killed", processes=[entry.id for entry in left])
            self._end(left, LEFTOVERS_S)
        logs = sorted(self._directory.logs.glob("local-*.log"), key=lambda path: path.stat().st_mtime)
        for path in logs[:-KEPT_INSTANCE_LOGS]:
            path.unlink()


def _refuse_a_taken_port(host: str, port: int, variable: str, more: str = "") -> None:
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        socket.create_server(address[:2], family=family).close()
    except OSError as err:
        raise ConfigurationError(
            f"cannot listen on {host} port {port}: {err.strerror}; set {variable} to a free port{more}"
        ) from err


def _set_environment(settings: Settings, *, own_cloud: bool) -> None:
    """Set what every part shall find in its environment: where things are, and one machine's defaults."""
    if own_cloud:
        for name in ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN"):
            os.environ.pop(name, None)
    # A variable that is empty counts as unset.
    for variable, value in (("ELASTIQ_MAX_INSTANCES", str(os.cpu_count() or 1)), ("ELASTIQ_POLL_SECONDS", "2")):
        os.environ[variable] = os.environ.get(variable) or value
    os.environ.update(
        AWS_REGION=aws.region(settings.aws),
        AWS_DEFAULT_REGION=aws.region(settings.aws),
        ELASTIQ_DATA_DIR=settings.local.data_dir,
        ELASTIQ_MODEL_DIR=str(settings.models.resolve()),
        ELASTIQ_PORT=str(settings.web.port),
        ELASTIQ_LAUNCH_TEMPLATE="",  # instances are on this machine
    )


def _published(environment: os._Environ[str], *, own_cloud: bool) -> dict[str, str]:
    """Return what another program needs; never credentials that are not our embedded cloud's own."""
    aws = ["AWS_ENDPOINT_URL", "AWS_REGION", "AWS_DEFAULT_REGION"]
    aws += ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] if own_cloud else []
    own = [name for name, value in environment.items() if name.startswith("ELASTIQ_") and value]
    return {name: environment[name] for name in [*aws, *own] if name != "ELASTIQ_LOG_FORMAT"}


def _welcome(settings: Settings, directory: DataDirectory, flower_at: flower.Place | None) -> str:
    there = (
        "" if directory.path == Path(".elastiq").resolve() else f"ELASTIQ_DATA_DIR={shlex.quote(str(directory.path))} "
    )
    # As it was called here, which is how another terminal in this folder can call it too.
    command = shlex.quote(sys.argv[0]) if Path(sys.argv[0]).name == "elastiq" else "elastiq"
    return (
        f"Elastiq is ready: {http_address(settings.web.host, settings.web.port)}\n"
        + (f"  Flower:     {flower_at.address}\n" if flower_at else "")
        + f'  elsewhere:  eval "$({there}{command} env)"  and any program uses its queues and buckets\n'
        f"  logs:       {directory.logs}\n"
        "  stop:       Ctrl-C; nothing is lost"
    )


def _say(text: str, *, err: bool = True) -> None:
    with suppress(OSError):  # the terminal may be gone; that is why we stop
        click.echo(text, err=err)
