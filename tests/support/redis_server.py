"""A redis server of a test's own, on a free port of loopback, which keeps nothing."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import RedisError

from app.local.cloud import free_port
from tests.support.waiting import wait_for


class RedisServer:
    """A server that can be ended, stopped for a while, and started again.

    Args:
        program: the server's.
        folder: where it works.
    """

    def __init__(self, program: str, folder: Path) -> None:
        self._port, self._folder, self._program = free_port(), folder, program
        self.start()

    @property
    def address(self) -> str:
        """Return where it is."""
        return f"redis://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Run it; return once it answers."""
        options = ["--bind", "127.0.0.1", "--port", str(self._port), "--save", "", "--dir", str(self._folder)]
        self._process = subprocess.Popen(
            [self._program, *options], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True
        )
        wait_for(self._answers, 30)

    def end(self) -> None:
        """End it, with all that it has."""
        self._process.kill()
        self._process.wait(10)

    def hang(self) -> None:
        """Have it take connections and answer nothing."""
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Have it answer again."""
        self._process.send_signal(signal.SIGCONT)

    def _answers(self) -> bool:
        try:
            with Redis.from_url(self.address, socket_timeout=5) as client:
                return bool(client.ping())
        except RedisError:
            return False


@contextmanager
def redis_server(folder: Path) -> Iterator[RedisServer]:
    """Run one."""
    program = shutil.which("redis-server")
    if program is None:
        assert not os.environ.get("CI"), "redis-server is missing: Debian's package of that name"
        pytest.skip("needs redis-server")
    server = RedisServer(program, folder)
    try:
        yield server
    finally:
        server.end()
