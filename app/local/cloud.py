"""ministack, with its data kept between runs: as a child process bound to loopback, or as this process."""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import structlog

from app.errors import ConfigurationError, TransientError
from app.local.process import start, stop, with_parent
from app.process.healthy import why_not

log = structlog.get_logger(__name__)

SERVICES = "sqs,s3,sns"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "elastiq", "AWS_SECRET_ACCESS_KEY": "embedded-cloud"}


class EmbeddedCloud:
    """An AWS of one's own on ``127.0.0.1``.

    Args:
        data_dir: where its queues and objects are kept; made if missing.
        port: the port to listen on; 0 takes a free one.
        record: is called with the id of its process, which does not run before that returns.
        services: those of AWS that it has, by their names in AWS's own tools.
    """

    def __init__(
        self,
        data_dir: Path,
        port: int = 0,
        record: Callable[[int], object] = lambda pid: None,
        services: str = SERVICES,
    ) -> None:
        self._data_dir, self._services = data_dir.resolve(), services
        self._port, self._record = port, record
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def endpoint_url(self) -> str:
        """Return the address that AWS_ENDPOINT_URL must have."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def environment(self) -> dict[str, str]:
        """Return the variables that make any AWS client use this cloud."""
        return {"AWS_ENDPOINT_URL": self.endpoint_url, **CREDENTIALS}

    def start(self, timeout_s: float = 30) -> None:
        """Start it, and return once it answers.

        Raises:
            ConfigurationError: ministack is not installed, or the port is taken.
            TransientError: it could not be started, or did not answer in ``timeout_s`` seconds.
        """
        self._port = self._port or free_port()
        if _listens(self._port):
            raise ConfigurationError(f"port {self._port} is taken; set ELASTIQ_CLOUD_PORT to a free one, or 0")
        log = self._data_dir / "cloud.log"
        self._process, _ = start(
            with_parent([sys.executable, "-m", "app.local.ministack_internals"]),
            log,
            self._record,
            {**os.environ, **_ministack_environment(self._data_dir, "127.0.0.1", self._port, self._services)},
        )
        deadline = time.monotonic() + timeout_s
        while not self._answers():
            if self._process.poll() is not None:
                raise ConfigurationError(f"the embedded cloud ended at once (is `.[local]` installed?); see {log}")
            if time.monotonic() > deadline:
                self.stop()
                raise TransientError(f"the embedded cloud did not answer in {timeout_s:.0f} s; see {log}")
            time.sleep(0.05)

    def stop(self, timeout_s: float = 15) -> None:
        """End it, its data saved."""
        if self._process is not None:
            stop(self._process, timeout_s)
            self._process = None

    def alive(self) -> bool:
        """Return whether its process runs."""
        return self._process is not None and self._process.poll() is None

    def _answers(self) -> bool:
        return not why_not(f"{self.endpoint_url}/_ministack/health")


def serve(data_dir: Path, host: str, port: int) -> None:
    """Be the embedded cloud, in this process, until SIGTERM; it logs as this process does.

    Args:
        data_dir: where its queues and objects are kept; made if missing.
        host: the address to bind to.
        port: the port to listen on.

    Raises:
        ConfigurationError: ministack is not installed, or the folder cannot be made.
    """
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
    except OSError as err:
        raise ConfigurationError(f"the embedded cloud cannot keep its data in {data_dir}: {err}") from err
    # ministack reads these when it is imported, and takes the command line for its own.
    os.environ.update(_ministack_environment(data_dir.resolve(), host, port))
    sys.argv = ["ministack"]
    try:
        from app.local.ministack_internals import load

        main = load()
    except ModuleNotFoundError as err:
        raise ConfigurationError("the embedded cloud is not installed; run: pip install 'elastiq[local]'") from err
    log.info("cloud_starts", host=host, port=port, data_dir=str(data_dir))
    # Its level is set by a call that does nothing where logging is configured already.
    logging.getLogger().setLevel(logging.WARNING)
    main()


def _ministack_environment(data_dir: Path, host: str, port: int, services: str = SERVICES) -> dict[str, str]:
    return {
        "BIND_HOST": host,
        "GATEWAY_PORT": str(port),
        "PERSIST_STATE": "1",
        "STATE_DIR": str(data_dir / "state"),
        "S3_PERSIST": "1",
        "S3_DATA_DIR": str(data_dir / "s3"),
        "SERVICES": services,
        # Unsigned requests are refused, and no page of another site that a browser shows may read anything.
        "AUTH": "true",
        # On by default, on every interface.
        "IOT_MTLS_ENABLED": "0",
        "LOG_LEVEL": "WARNING",
        **CREDENTIALS,
    }


def free_port() -> int:
    """Return a port of loopback that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
