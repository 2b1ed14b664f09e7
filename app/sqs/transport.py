"""The kombu transport: hands what the pollers receive to Celery's loop, and answers what a drain asks."""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
from contextlib import suppress
from typing import Any

import kombu
from kombu.transport import virtual

from app.errors import ConfigurationError
from app.sqs.api import AwsApi
from app.sqs.channel import Channel
from app.sqs.flower_internals import Counts, flower_runs, tell_flower
from app.sqs.gateway import Gateway, MakeApi, gateway
from app.sqs.metrics import metrics
from app.sqs.options import Options
from app.sqs.poller import Poller

# Messages delivered in one turn of the loop, so that its timers and other files get theirs.
TURN = 50
# The oldest that it works with, and what goes wrong with those before.
OLDEST = (5, 7)
BEFORE = {
    "kombu": "its loop sleeps on for up to a second while a pool of threads acknowledges tasks",
    "celery": "it loses events that come while it publishes others",
}


def too_old(name: str, version: tuple[int, ...]) -> str:
    """Return why this version of ``celery`` or ``kombu`` is refused, and what to do; nothing where it works."""
    if version[:2] >= OLDEST:
        return ""
    found, oldest = ".".join(map(str, version[:3])), ".".join(map(str, OLDEST))
    return f"app.sqs needs {name} {oldest}, and this is {found}: {BEFORE[name]}; pip install '{name}>={oldest}'"


def address(client: Any) -> str:
    """Return the endpoint that a broker's URL names, as kombu reads it: ``sqs://key:secret@127.0.0.1:9324``."""
    if not client.hostname:
        return ""
    secure = client.ssl or client.transport_options.get("is_secure")
    port = f":{client.port}" if client.port else ""
    return f"{'https' if secure else 'http'}://{client.hostname}{port}"


class Transport(virtual.Transport):
    """SQS for kombu and Celery; see `app.sqs.options.Options` for what ``broker_transport_options`` may hold.

    What fails in consuming never reaches Celery's loop: it is tried again by the thread that does it. A publish, and
    the declaration of a queue, raise `app.sqs.errors.Unavailable` or `app.sqs.errors.Refused` to their caller.

    Raises:
        ConfigurationError: Celery or kombu is too old for it, or an option is out of bounds.
    """

    Channel = Channel
    make_api: MakeApi = AwsApi
    """What makes the calls; `app.sqs.memory` has another."""
    driver_type = "sqs"
    driver_name = "app.sqs"
    polling_interval = None  # type: ignore[assignment]  # kombu's loop sleeps this long; ours waits for an event

    implements = virtual.Transport.implements.extend(
        asynchronous=True, exchange_type=frozenset(["direct", "topic", "fanout"])
    )

    def __init__(self, client: Any, **kwargs: Any) -> None:
        celery: Any = sys.modules.get("celery")  # kombu alone needs none
        for name, module in (("kombu", kombu), ("celery", celery)):
            if module and (why := too_old(name, tuple(module.VERSION[:3]))):
                raise ConfigurationError(why)
        super().__init__(client, **kwargs)
        self.options = Options.of(client.transport_options, client.userid, client.password, address(client))
        if not (self.options.fanout and self.options.listen):
            self.implements = self.implements.extend(exchange_type=frozenset(["direct", "topic"]))
        if flower_runs():
            tell_flower(Counts(type(self).make_api(self.options, metrics), self.options))
        self._ready = threading.Event()
        self._hub: Any = None
        self._pipe: tuple[int, int] | None = None
        self._signalled = False
        self._pipe_lock = threading.Lock()

    @property
    def gateway(self) -> Gateway:
        """Return what this process's connections share."""
        return gateway(self.options, type(self).make_api)

    def driver_version(self) -> str:
        """Return boto3's version."""
        import boto3

        return str(boto3.__version__)

    # -- the loop -------------------------------------------------------------------------------

    def register_with_event_loop(self, connection: Any, loop: Any) -> None:
        """Have ``loop`` deliver what the pollers bring."""
        from celery.signals import worker_shutting_down

        from app.sqs import panel  # noqa: F401  here, since only a worker has remote control commands

        # The loop would see that it shall stop only when its next event comes, a second or two later.
        worker_shutting_down.connect(self._take_a_turn)
        self._close_pipe()
        self._pipe = os.pipe()
        for end in self._pipe:
            os.set_blocking(end, False)
        self._hub = loop
        loop.add_reader(self._pipe[0], self._on_ready)
        self.notify()

    def notify(self) -> None:
        """Wake whoever delivers; safe in any thread."""
        self._ready.set()
        # A pipe must not be closed under a thread that is about to write: its number may be another file's by then.
        with self._pipe_lock:
            if self._pipe is not None and not self._signalled:
                self._signalled = True
                os.write(self._pipe[1], b"x")

    @property
    def default_connection_params(self) -> dict[str, Any]:
        """Return nothing: where SQS is, is boto3's business."""
        return {}

    def drain_events(self, connection: Any, timeout: float | None = None, **_: Any) -> None:
        """Deliver one message.

        Raises:
            TimeoutError: none came within ``timeout`` seconds.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            self._ready.clear()
            if self._deliver_one():
                return
            remaining = 1.0 if deadline is None else deadline - time.monotonic()
            if remaining <= 0:
                raise socket.timeout()  # noqa: UP041  the name that kombu's callers catch
            # At most a second at a time, so that signals are seen.
            self._ready.wait(min(1.0, remaining))

    def close_connection(self, connection: Any) -> None:
        """Close the channels; what is held goes back, or is acknowledged later by the tasks that run."""
        super().close_connection(connection)
        self._close_pipe()

    def verify_connection(self, connection: Any) -> bool:
        """Return True: every call stands for itself, there is nothing that could have been cut."""
        return True

    # -- drain ----------------------------------------------------------------------------------

    def pause(self) -> None:
        """Begin a drain: poll task queues no more. `quiesced` tells when it is complete; `resume` cancels it."""
        for poller in self._task_pollers():
            poller.pause()

    def resume(self) -> None:
        """Poll again."""
        for poller in self._task_pollers():
            poller.pause(False)

    @property
    def quiesced(self) -> bool:
        """Return whether no poll is under way and no message is held."""
        return not any(channel.busy for channel in list(self.channels))

    @property
    def working(self) -> bool:
        """Return whether a message of a task queue is held: delivered to a task, or waiting for one."""
        return any(channel.holding for channel in list(self.channels))

    @property
    def touched_at(self) -> float:
        """Return when a task's message was last delivered or settled, in monotonic seconds."""
        return float(max((channel.touched_at for channel in list(self.channels) if channel.tasks), default=0.0))

    def wait_no_longer_than(self, until: float | None) -> None:
        """Make polls end by ``until`` (monotonic seconds), so that a drain that begins then finds none under way."""
        for poller in self._task_pollers():
            poller.last_wait_until = until

    def _task_pollers(self) -> list[Poller]:
        return [p for channel in list(self.channels) for p in channel.pollers if not p.transient]

    # -- inner ----------------------------------------------------------------------------------

    def _on_ready(self) -> None:
        if self._pipe is None:
            return
        with suppress(BlockingIOError):
            os.read(self._pipe[0], 4096)
        # After the read: a byte that comes between the two would be swallowed, and its flag would stay up for ever.
        self._signalled = False
        for _ in range(TURN):
            if not self._deliver_one():
                return
        self.notify()

    def _deliver_one(self) -> bool:
        return any(channel.deliver_one() for channel in list(self.channels))

    def _take_a_turn(self, **_: Any) -> None:
        """Let the loop go round; called in a signal's handler, so it takes no lock."""
        pipe = self._pipe
        if pipe is not None:
            with suppress(BlockingIOError):
                os.write(pipe[1], b"x")

    def _close_pipe(self) -> None:
        with self._pipe_lock:
            pipe, self._pipe, self._signalled = self._pipe, None, False
        if pipe is not None:
            self._hub.remove_reader(pipe[0])
            for end in pipe:
                os.close(end)
