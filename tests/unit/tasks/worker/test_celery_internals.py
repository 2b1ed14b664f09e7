"""What a worker does with Celery's private parts, done with the Celery that is installed."""

from __future__ import annotations

import ast
import json
from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any
from uuid import uuid4

import celery
import pytest
from celery import Celery
from celery.app import trace
from celery.events import EventDispatcher
from celery.exceptions import WorkerShutdown
from celery.worker import state
from celery.worker.control import Panel
from kombu import Queue, serialization

from app.errors import ConfigurationError
from tasks.worker import celery_internals, leaving
from tests.support.versions import BOUND, ROOT, bounds

SEE = "see tasks/worker/celery_internals.py"

Heard = Callable[[], list[Any]]


@pytest.fixture
def dispatcher() -> Iterator[EventDispatcher]:
    app = Celery(broker="memory://", set_as_current=False)
    with app.connection_for_write() as connection, app.events.Dispatcher(connection) as dispatcher:
        yield dispatcher


@pytest.fixture
def heard(dispatcher: EventDispatcher) -> Heard:
    """What a listener has got since it was asked last; of the messages, only what they hold."""
    queue = Queue(uuid4().hex, dispatcher.exchange, routing_key="#")(dispatcher.connection.default_channel)
    queue.declare()
    return lambda: [json.loads(message.body) for message in iter(lambda: queue.get(no_ack=True), None)]


@pytest.mark.parametrize("name", BOUND)
def test_the_installed_version_is_one_that_this_was_tested_with(name: str) -> None:
    wanted = bounds()[name]
    assert wanted.specifier.contains(version(name)), f"{version(name)} is installed, setup.cfg asks for {wanted}"
    assert {"<", ">="} == {one.operator for one in wanted.specifier}, "an untested version might be installed"


def test_this_celery_has_all_that_a_worker_stands_on() -> None:
    celery_internals.check()


@pytest.mark.parametrize(("module", "name"), [one for one in celery_internals.STANDS_ON if ":" not in one[1]])
def test_what_a_celery_lacks_is_said_with_where_to_look(
    monkeypatch: pytest.MonkeyPatch, module: str, name: str
) -> None:
    *path, last = name.split(".")
    owner: Any = import_module(module)
    for part in path:
        owner = getattr(owner, part)
    monkeypatch.delattr(owner, last)
    with pytest.raises(ConfigurationError) as refused:
        celery_internals.check()
    assert str(refused.value) == f"Celery {celery.__version__} has no {module}.{name}: {SEE}"


def test_an_argument_that_a_celery_lacks_is_said_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(EventDispatcher, "__init__", lambda self, buffer_limit, on_send_buffered: None)
    with pytest.raises(ConfigurationError, match=rf"EventDispatcher:buffer_group: {SEE}"):
        celery_internals.check()


def test_a_result_is_shown_by_its_own_repr_and_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trace, "saferepr", trace.saferepr)  # what is replaced here is put back
    celery_internals.show_results_plainly()
    app = Celery(set_as_current=False)
    app.conf.result_backend = "disabled"
    result = {"top5": [{"label": "tiger cat", "score": 0.5}] * 5}

    def answer() -> dict[str, Any]:
        return result

    def shown(most: int) -> str:
        task = app.task(answer, name=f"shown-{most}", resultrepr_maxsize=most, ignore_result=True)
        return str(trace.build_tracer(task.name, task, app=app)(uuid4().hex, (), {}).retstr)

    assert shown(1000) == repr(result)
    assert shown(40) == repr(result)[:40] + "..."


def test_a_warm_stop_ends_the_loop_with_status_0(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state, "should_stop", None)
    state.maybe_shutdown()
    celery_internals.stop_warmly()
    with pytest.raises(WorkerShutdown) as stopped:
        state.maybe_shutdown()
    assert stopped.value.code == 0


def test_the_remote_command_shutdown_is_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state, "should_stop", None)
    monkeypatch.setattr(leaving, "_why", None)
    Panel.data["shutdown"](object(), msg="as Celery calls it")
    assert (leaving._why, state.should_stop) == (leaving.ASKED, 0)


def test_gathered_events_wait_for_a_flush_and_are_one_message(dispatcher: EventDispatcher, heard: Heard) -> None:
    gathered: list[None] = []
    celery_internals.gather_events(dispatcher, {"image"}, 1000, lambda: gathered.append(None))
    dispatcher.send("image-one", key="a")
    dispatcher.send("image-two", key="b")
    assert len(gathered) == 2
    assert heard() == []
    dispatcher.flush()
    ((one, two),) = heard()
    assert (one["key"], two["key"]) == ("a", "b")


def test_an_event_of_another_group_is_sent_at_once(dispatcher: EventDispatcher, heard: Heard) -> None:
    celery_internals.gather_events(dispatcher, {"image"}, 1000, lambda: pytest.fail("it was gathered"))
    dispatcher.send("worker-said", why="idle")
    (event,) = heard()
    assert event["why"] == "idle"


def test_more_than_may_be_gathered_is_sent_at_once(dispatcher: EventDispatcher, heard: Heard) -> None:
    celery_internals.gather_events(dispatcher, {"image"}, 2, lambda: None)
    for key in "abc":
        dispatcher.send("image-one", key=key)
    assert [[event["key"] for event in events] for events in heard()] == [["a", "b"]]


def test_an_event_that_comes_while_others_are_published_is_sent_with_the_next(
    dispatcher: EventDispatcher, heard: Heard
) -> None:
    # Celery before 5.7 loses it.
    celery_internals.gather_events(dispatcher, {"image"}, 1000, lambda: None)
    late = iter("b")

    def encode(events: object) -> str:
        text = json.dumps(events)
        for key in late:
            dispatcher.send("image-one", key=key)
        return text

    serialization.register("slow", encode, json.loads, "application/x-slow", "utf-8")
    dispatcher.serializer = "slow"
    dispatcher.send("image-one", key="a")
    dispatcher.flush()
    dispatcher.flush()
    serialization.unregister("slow")
    assert [[event["key"] for event in events] for events in heard()] == [["a"], ["b"]]


def test_no_other_module_of_ours_touches_celerys_worker() -> None:
    private = ("celery.apps", "celery.worker", "celery.events.dispatcher")
    found = {
        f"{path.relative_to(ROOT)}: {name}"
        for folder in ("app", "tasks", "web", "autoscaler")
        for path in (ROOT / folder).rglob("*.py")
        for name in imported(path)
        if name.startswith(private)
    }
    # How to register a remote control command of one's own is in Celery's manual.
    own = ("app/sqs/panel.py", "tasks/worker/dropping.py", "tasks/worker/staying.py")
    allowed = {f"{path}: celery.worker.control" for path in own}
    assert {one for one in found if not one.startswith("tasks/worker/celery_internals.py")} <= allowed


def imported(path: Path) -> set[str]:
    nodes = list(ast.walk(ast.parse(path.read_text())))
    return {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module} | {
        alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names
    }
