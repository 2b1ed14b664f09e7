"""A worker's life: it loads its engine, then takes work; when it has had none for a while it drains and leaves.

`leaving` has what all ways of leaving share, and `notices` what EC2 says.
"""

from __future__ import annotations

import math
import os
import socket
import time
from collections.abc import Callable
from typing import Any

import structlog
from celery import bootsteps

from app.announcements import CallsMade
from app.aws.calls import calls
from app.batches.marks import DROPPED, Marks
from app.errors import ConfigurationError
from app.process import tracing
from app.process.alive import AliveFile
from app.settings import Settings, settings
from tasks import announce
from tasks.celery import app
from tasks.worker import celery_internals, dropping, staying, traced
from tasks.worker.leaving import IDLE, Farewell, leave
from tasks.worker.notices import Notices, metadata_for

log = structlog.get_logger(__name__)

LOOK_S, TELL_S = 0.5, 10.0
MOST_GATHERED = 1000


def run_worker(config: Settings) -> int:
    """Run a Celery worker in this process until it leaves.

    It is ``celery -A tasks worker`` with this project's settings and a node name of its own, without Celery's command
    line, which imports every command that a package adds to it, Flower's with its web server among them.

    Returns:
        The exit status: 0 when it has left by itself or was drained; anything else is a failure.
    """
    instance = config.worker.instance_id or f"worker-{socket.gethostname()}-{os.getpid()}"
    celery_internals.check()
    celery_internals.say_nothing_at_signals()  # `worker_leaving` says it
    celery_internals.show_results_plainly()
    try:
        return celery_internals.run(app, node=f"{instance}@{socket.gethostname()}")
    except SystemExit as end:
        if isinstance(end.code, str):
            log.error("worker_failed", reason=end.code)
            return 1
        return int(end.code or 0)
    finally:
        tracing.end()


class LoadEngine(bootsteps.Step):
    """Loads the engine before the first message is received, so that a worker that cannot work takes none."""

    def __init__(self, consumer: Any, **_: Any) -> None:
        started = time.monotonic()
        try:
            from tasks import engine

            model = engine.load()
        except ModuleNotFoundError as err:
            raise ConfigurationError(f"a worker needs {err.name}; run: pip install 'elastiq[worker]'") from err
        log.info("engine_loaded", model=model.name, seconds=round(time.monotonic() - started, 3))


class Trace(bootsteps.Step):
    """Has images followed before any is received: by their keys in the log, and by traces where these are wanted."""

    def __init__(self, consumer: Any, **_: Any) -> None:
        celery_internals.name_images()
        traced.begin(settings().tracing)


class Events(bootsteps.StartStopStep):
    """Sends what tasks announce through the worker's own dispatcher, gathered by the transport's event thread."""

    requires = ("celery.worker.consumer.events:Events",)

    def start(self, consumer: Any) -> None:
        """Gather image events as Celery gathers task events, and let one thread flush both."""
        dispatcher = consumer.event_dispatcher
        if dispatcher is None or not dispatcher.enabled:
            return
        fanout = dispatcher.connection.transport.gateway.fanout
        celery_internals.gather_events(dispatcher, {"task", "image"}, MOST_GATHERED, fanout.gather)
        fanout.before_publish = dispatcher.flush
        announce.through(dispatcher.send, fanout.hasten)

    def stop(self, consumer: Any) -> None:
        """Send no more through a dispatcher that is about to close."""
        announce.through(None)


class TellCalls(bootsteps.StartStopStep):
    """Announces what this process has called of AWS, while that grows by more than its polls."""

    requires = ("celery.worker.consumer.heart:Heart", "celery.worker.consumer.events:Events")

    def __init__(self, consumer: Any, **_: Any) -> None:
        self._entry: Any = None
        self._told = calls.made()

    def start(self, consumer: Any) -> None:
        """Look from time to time."""
        self._entry = consumer.timer.call_repeatedly(TELL_S, self._tell, (consumer,))

    def stop(self, consumer: Any) -> None:
        """Say it once more: the worker stops."""
        if self._entry is not None:
            self._entry.cancel()
        self._tell(consumer)

    def _tell(self, consumer: Any) -> None:
        made, dispatcher = calls.made(), consumer.event_dispatcher
        if dispatcher is None or not dispatcher.enabled or made.s3_put == self._told.s3_put:
            return
        self._told, what = made, CallsMade(made)
        dispatcher.send(what.TYPE, **what.to_event())


class IdleStop(bootsteps.StartStopStep):
    """Drains and ends the worker after ``ELASTIQ_IDLE_SECONDS`` without work; a late message cancels that.

    So does the autoscaler, which has some stay for its floor.
    """

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, consumer: Any, **_: Any) -> None:
        self._idle = Idle(settings().worker.idle_s, staying.until)
        self._entry: Any = None

    def start(self, consumer: Any) -> None:
        """Look twice a second."""
        if settings().worker.idle_s:
            transport = consumer.connection.transport
            self._entry = consumer.timer.call_repeatedly(LOOK_S, self._look, (transport,))

    def stop(self, consumer: Any) -> None:
        """Look no more: the worker stops."""
        if self._entry is not None:
            self._entry.cancel()

    def _look(self, transport: Any) -> None:
        if self._idle.look(transport, time.monotonic()):
            log.info("idle_stop", idle_s=settings().worker.idle_s)
            leave(IDLE)


class Idle:
    """Decides when a worker has been idle for long enough, by draining its transport first.

    Args:
        idle_s: seconds without a message after which to leave.
        stays_until: returns the monotonic seconds before which not to leave in any case.
    """

    def __init__(self, idle_s: float, stays_until: Callable[[], float] = lambda: -math.inf) -> None:
        self._idle_s, self._stays_until = idle_s, stays_until
        self._draining_since: float | None = None

    def look(self, transport: Any, now: float) -> bool:
        """Return whether the drain is complete; begin it, or cancel it.

        It is cancelled when a message came in its last poll, or the worker is to stay.

        Args:
            transport: an `app.sqs.Transport`.
            now: monotonic seconds.
        """
        if self._draining_since is not None:
            if transport.touched_at > self._draining_since or now < self._stays_until():
                self._draining_since = None
                transport.resume()
                log.info("idle_stop_cancelled")
                return False
            return bool(transport.quiesced)
        leaves_at = max(transport.touched_at + self._idle_s, self._stays_until())
        transport.wait_no_longer_than(leaves_at)
        if now >= leaves_at and not transport.working:
            self._draining_since = now
            transport.pause()
            return bool(transport.quiesced)
        return False


class StayAlive(bootsteps.StartStopStep):
    """Touches ``ELASTIQ_ALIVE_FILE`` while the worker's loop goes on."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, consumer: Any, **_: Any) -> None:
        self._alive = AliveFile(settings().process.alive_file)
        self._entry: Any = None

    def start(self, consumer: Any) -> None:
        """Touch it, now and from time to time."""
        self._alive.touch()
        self._entry = consumer.timer.call_repeatedly(AliveFile.EVERY_S, self._alive.touch)

    def stop(self, consumer: Any) -> None:
        """Leave it: the worker stops."""
        if self._entry is not None:
            self._entry.cancel()


class HeedNotices(bootsteps.StartStopStep):
    """Has a worker on EC2 leave when its host is about to be taken, or is asked to drain."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, consumer: Any, **_: Any) -> None:
        self._metadata = metadata_for(settings(), os.environ)
        self._notices: Notices | None = None

    def start(self, consumer: Any) -> None:
        """Look for notices in the background."""
        if self._metadata is None:
            return

        def heed(why: str) -> None:
            leave(why)
            consumer.connection.transport.notify()  # the loop may be asleep

        self._notices = Notices(self._metadata, heed)
        self._notices.start()

    def stop(self, consumer: Any) -> None:
        """Look no more: the worker stops."""
        if self._notices is not None:
            self._notices.stop()


class HeedDropped(bootsteps.StartStopStep):
    """Has a worker know which batches' messages it is to drop, before it takes any."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, consumer: Any, **_: Any) -> None:
        self._looking: dropping.Looking | None = self._begin()

    def start(self, consumer: Any) -> None:
        """Go on to look while messages come."""
        self._looking = self._looking or self._begin()
        transport = consumer.connection.transport
        self._looking.touched_at = lambda: float(transport.touched_at)

    def stop(self, consumer: Any) -> None:
        """Look no more: the worker stops, or connects anew."""
        if self._looking is not None:
            self._looking.stop()
            self._looking = None

    def _begin(self) -> dropping.Looking:
        looking = dropping.Looking(Marks(settings(), DROPPED).names)
        looking.start(dropping.PATIENCE_S)
        return looking


def install(application: Any) -> None:
    """Add these steps to the worker's blueprint."""
    steps: dict[str, set[Callable[..., Any]]] = application.steps
    steps["consumer"].update(
        {LoadEngine, Trace, Events, Farewell, IdleStop, StayAlive, HeedNotices, HeedDropped, TellCalls}
    )


install(app)
