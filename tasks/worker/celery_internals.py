"""What a worker does with Celery's private parts; no other module of a worker touches them.

Each function says what it stands on; all of that is so in Celery 5.6.0 to 5.7.0. What a newer Celery lacks of it,
`check` tells: read its source, mend the function here, and only then raise the bound in setup.cfg.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Set
from importlib import import_module
from typing import Any

import celery
import celery.apps.worker
from celery.app import trace
from celery.app.trace import ExceptionInfo as ExceptionInfo
from celery.events import EventDispatcher
from celery.worker import state
from celery.worker.control import control_command
from celery.worker.request import Request as Request

from app.errors import ConfigurationError

# Module, and what must be in it; an argument's name after a colon.
STANDS_ON = (
    ("celery.app.trace", "ExceptionInfo"),
    ("celery.app.trace", "saferepr"),
    ("celery.apps.worker", "safe_say"),
    ("celery.app.trace", "LOG_RECEIVED"),
    ("celery.apps.worker", "Worker.on_before_init:quiet"),
    ("celery.worker.consumer.gossip", "Gossip:without_gossip"),
    ("celery.worker.consumer.mingle", "Mingle:without_mingle"),
    ("celery.worker.worker", "WorkController.exitcode"),
    ("celery.worker.state", "should_stop"),
    ("celery.worker.state", "maybe_shutdown"),
    ("celery.worker.control", "Panel.data"),
    ("celery.app.task", "Task.Request"),
    ("celery.worker.request", "Request.revoked"),
    ("celery.worker.request", "Request._announce_revoked:reason"),
    ("celery.worker.request", "Request._announce_revoked:expired"),
    ("celery.events.dispatcher", "EventDispatcher:buffer_group"),
    ("celery.events.dispatcher", "EventDispatcher:buffer_limit"),
    ("celery.events.dispatcher", "EventDispatcher:on_send_buffered"),
    ("celery.events.dispatcher", "EventDispatcher.flush"),
)


def check() -> None:
    """Find everything that this module stands on.

    Raises:
        ConfigurationError: the installed Celery lacks some of it; says what.
    """
    for module, name in STANDS_ON:
        if not _has(import_module(module), name):
            raise ConfigurationError(
                f"Celery {celery.__version__} has no {module}.{name}: see tasks/worker/celery_internals.py"
            )


def run(application: Any, node: str) -> int:
    """Run a worker in this process, as Celery's command line does, until it has stopped; return its exit status.

    Stands on the arguments that the command line passes to ``app.Worker``, which swallows those that it does not know,
    and on the attribute ``exitcode``.

    Args:
        application: the Celery application.
        node: the worker's name, ``instance@host``.

    Raises:
        SystemExit: it ended for a reason of its own, which the exception's code tells.
    """
    worker = application.Worker(hostname=node, loglevel="INFO", without_gossip=True, without_mingle=True, quiet=True)
    worker.start()
    return int(worker.exitcode or 0)


def say_nothing_at_signals() -> None:
    """Keep Celery from printing, when a signal comes, a line that is no record of the log.

    Stands on ``celery.apps.worker.safe_say``, through which its signals' handlers print.
    """
    celery.apps.worker.safe_say = lambda *_: None


def show_results_plainly() -> None:
    """Show a task's result, in the log and in events, by its own ``repr``, cut off; Celery's way looks at each item.

    Stands on ``celery.app.trace.saferepr``, which the tracer calls with the result and the most characters.
    """

    def show(result: object, most: int) -> str:
        text = repr(result)
        return text if len(text) <= most else f"{text[:most]}..."

    trace.saferepr = show


def name_images() -> None:
    """Have the log's line of a task that was received name its arguments: an image is followed by its key.

    Stands on ``celery.app.trace.LOG_RECEIVED``, which the worker fills in with ``args`` among others.
    """
    trace.LOG_RECEIVED = "Task %(name)s[%(id)s] received: %(args)s"


def stop_warmly() -> None:
    """Have this process's worker stop at the next turn of its loop, after what runs; any thread may call it.

    Stands on ``celery.worker.state.should_stop``: None, or the exit status with which ``maybe_shutdown``, called once a
    turn, ends the loop. Celery's handler of SIGTERM sets it too.
    """
    state.should_stop = 0


def in_place_of_shutdown(do: Callable[[], object]) -> Callable[[], object]:
    """Have the remote control command ``shutdown`` call ``do``; Celery's own ends the loop in the middle of a turn.

    Stands on ``celery.worker.control.Panel.data``, where a name's last registration counts.
    """

    @control_command(name="shutdown")
    def shutdown(state: Any, **_: Any) -> None:
        """Finish what runs, and stop."""
        do()

    return do


def revoke(request: Request) -> None:
    """Acknowledge a request that is not run, and say so by an event.

    Stands on ``Request._announce_revoked``, which ``Request.revoked`` calls, asked before a request has a thread; and
    on ``Task.Request``, the class of a task's requests.
    """
    request._announce_revoked("cancelled", False, None, False)


def gather_events(dispatcher: EventDispatcher, groups: Set[str], most: int, gathered: Callable[[], object]) -> None:
    """Have a worker's dispatcher keep events until ``dispatcher.flush()``, which any thread may call.

    Stands on ``buffer_group``, ``buffer_limit`` and ``on_send_buffered``, which the dispatcher takes when it is made,
    and which Celery's worker sets for its own task events; here they are set on the worker's dispatcher.

    Args:
        dispatcher: the worker's own.
        groups: first words of the events' types, as ``task`` of ``task-succeeded``.
        most: of one group; with more, it flushes by itself.
        gathered: called after each event that was kept.
    """
    dispatcher.buffer_group = frozenset(groups)
    dispatcher.buffer_limit = most
    dispatcher.on_send_buffered = gathered


def _has(owner: Any, name: str) -> bool:
    path, _, argument = name.partition(":")
    for part in path.split("."):
        if not hasattr(owner, part):
            return False
        owner = getattr(owner, part)
    return not argument or argument in inspect.signature(owner).parameters
