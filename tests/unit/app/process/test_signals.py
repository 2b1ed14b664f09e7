"""Stopping on signals, seen from outside: a process that waits, and what a signal makes of it."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

PROGRAM = """
import signal, sys
from app.process.signals import StopSignals
stop = StopSignals(signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
print("up", flush=True)
print(stop.wait(30), stop.count, flush=True)
print(stop.wait(float(sys.argv[1]), above=1), stop.count, flush=True)
"""

# Its main thread does not take the signal, so another one must.
BESIDE_A_THREAD = """
import signal, threading
from app.process.signals import StopSignals
stop = StopSignals(signal.SIGTERM)
threading.Thread(target=threading.Event().wait, daemon=True).start()
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
print("up", flush=True)
print(stop.wait(30), stop.count, flush=True)
"""


@pytest.fixture
def waiting_beside_a_thread() -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen([sys.executable, "-c", BESIDE_A_THREAD], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "up\n"
        yield child
        child.kill()


@pytest.fixture
def waiting(request: pytest.FixtureRequest) -> Iterator[subprocess.Popen[str]]:
    # The tests themselves may run where a hangup is ignored, as under nohup.
    before, second_wait_s = getattr(request, "param", (["env", "--default-signal=HUP"], "0.2"))
    command = [*before, sys.executable, "-c", PROGRAM, second_wait_s]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "up\n"
    yield child
    child.kill()
    child.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_the_wait_at_once(waiting: subprocess.Popen[str], number: signal.Signals) -> None:
    waiting.send_signal(number)
    out, _ = waiting.communicate(timeout=10)
    assert out == "True 1\nFalse 1\n"
    assert waiting.returncode == 0


@pytest.mark.parametrize("waiting", [([], "30")], indirect=True)
def test_a_wait_for_a_second_signal_is_not_ended_by_the_first(waiting: subprocess.Popen[str]) -> None:
    assert waiting.stdout is not None
    waiting.send_signal(signal.SIGINT)
    assert waiting.stdout.readline() == "True 1\n"
    waiting.send_signal(signal.SIGINT)
    assert waiting.stdout.readline() == "True 2\n"


@pytest.mark.parametrize("waiting", [(["nohup"], "0.2")], indirect=True)
def test_a_hangup_that_the_parent_ignores_stays_ignored(waiting: subprocess.Popen[str]) -> None:
    waiting.send_signal(signal.SIGHUP)
    waiting.send_signal(signal.SIGTERM)
    out, _ = waiting.communicate(timeout=10)
    assert out == "True 1\nFalse 1\n"


def test_a_signal_that_comes_to_another_thread_ends_the_wait_at_once(
    waiting_beside_a_thread: subprocess.Popen[str],
) -> None:
    waiting_beside_a_thread.send_signal(signal.SIGTERM)
    out, _ = waiting_beside_a_thread.communicate(timeout=10)
    assert out == "True 1\n"


ROUSED = """
import signal, threading
from app.process.signals import StopSignals
stop = StopSignals(signal.SIGTERM)
stop.rouse()
print(stop.wait(30), flush=True)
threading.Thread(target=stop.rouse).start()
print(stop.wait(30), flush=True)
print("up", stop.wait(0.1), flush=True)
print(stop.wait(30), flush=True)
"""


def test_who_waits_can_be_roused_before_its_time_and_is_not_stopped_by_that() -> None:
    with subprocess.Popen([sys.executable, "-c", ROUSED], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        timer = threading.Timer(20, child.kill)
        timer.start()
        assert [child.stdout.readline() for _ in range(3)] == ["False\n", "False\n", "up False\n"]
        child.send_signal(signal.SIGTERM)
        assert child.stdout.readline() == "True\n"
        timer.cancel()
