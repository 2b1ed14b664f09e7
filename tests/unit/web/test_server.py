"""How many connections and streams a process has, by its limit of file descriptors."""

from __future__ import annotations

import resource

import pytest
from structlog.testing import capture_logs

from app.errors import ConfigurationError
from app.settings import Settings
from web.server import ROOM, _with_room

THREADS, STREAMS = Settings().web.threads, Settings().web.streams


@pytest.fixture
def limits(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """This process's limits of descriptors, as the test sets them."""
    found = {"soft": 256, "hard": 1_000_000}
    monkeypatch.setattr(resource, "getrlimit", lambda _: (found["soft"], found["hard"]))
    monkeypatch.setattr(resource, "setrlimit", lambda _, to: found.update(soft=to[0], hard=to[1]))
    return found


def test_the_limit_is_raised_to_what_streams_connections_and_threads_need(limits: dict[str, int]) -> None:
    settings, connections = _with_room(Settings())
    assert settings.web.streams == STREAMS
    assert connections == 2 * THREADS + 1000
    assert limits["soft"] >= STREAMS + connections + 2 * THREADS
    assert limits["hard"] == 1_000_000


@pytest.mark.parametrize("hard", [4096, 2000, 1100])
def test_where_it_cannot_be_raised_so_far_there_are_fewer_streams_and_that_is_said(
    limits: dict[str, int], hard: int
) -> None:
    limits["hard"] = hard
    with capture_logs() as logs:
        settings, connections = _with_room(Settings())
    assert 0 < settings.web.streams < STREAMS
    assert connections >= THREADS + ROOM
    assert settings.web.streams + connections + 2 * THREADS < limits["soft"] <= hard
    (told,) = logs
    assert (told["event"], told["streams"], told["wanted"]) == ("fewer_streams", settings.web.streams, STREAMS)
    assert str(hard) in told["reason"]


def test_where_not_even_the_threads_have_room_it_is_said_what_to_do(limits: dict[str, int]) -> None:
    limits["hard"] = 1024
    with pytest.raises(ConfigurationError, match="ulimit -n"):
        _with_room(Settings())


def test_an_unlimited_process_has_all(limits: dict[str, int]) -> None:
    limits.update(soft=resource.RLIM_INFINITY, hard=resource.RLIM_INFINITY)
    settings, connections = _with_room(Settings())
    assert (settings.web.streams, connections) == (STREAMS, 2 * THREADS + 1000)
    assert limits["soft"] == resource.RLIM_INFINITY
