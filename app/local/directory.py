"""The data directory of `elastiq up`: who may use it, what is where in it, and how others find what runs on it."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.errors import ConfigurationError
from app.local.registry import Registry
from app.process.objects import parse


class DataDirectory:
    """A folder that one `elastiq up` at a time runs on.

    Attributes:
        path: absolute.
        cloud: the embedded cloud's folder.
        logs: every part's log file.
        registry: the processes that run on it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        self.cloud = self.path / "cloud"
        self.logs = self.path / "logs"
        self.registry = Registry(self.path / "run")
        self._environment = self.path / "environment.json"
        self._lock = self.path / "up.lock"

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the lock, which the system releases however this process ends.

        Raises:
            ConfigurationError: another process holds it.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        with self._lock.open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise ConfigurationError(
                    f"`elastiq up` runs on {self.path} already; stop it, or set ELASTIQ_DATA_DIR to another folder"
                ) from None
            yield

    def publish_environment(self, environment: dict[str, str]) -> None:
        """Tell others, of this user alone, with which variables they use what runs here."""
        new = self._environment.with_suffix(".new")
        new.touch(mode=0o600)
        new.write_text(json.dumps(environment))
        new.replace(self._environment)

    def withdraw_environment(self) -> None:
        """Tell it no more."""
        self._environment.unlink(missing_ok=True)

    def read_environment(self) -> dict[str, str]:
        """Return what was published.

        Raises:
            ConfigurationError: nothing runs here, or not yet, or what was published cannot be read.
        """
        if not self.registry.entries("service"):
            raise ConfigurationError(
                f"nothing runs on {self.path}; start `elastiq up`, or set ELASTIQ_DATA_DIR to the folder it runs on"
            )
        try:
            found = parse(self._environment.read_bytes())
        except FileNotFoundError:
            raise ConfigurationError(f"`elastiq up` on {self.path} is starting or stopping; try again") from None
        except (OSError, ValueError) as err:
            raise ConfigurationError(f"{self._environment} cannot be read ({err}); start `elastiq up` anew") from err
        return {name: str(value) for name, value in found.items()}
