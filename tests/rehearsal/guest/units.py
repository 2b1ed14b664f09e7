"""systemd's part on a rehearsed host, played plainly: what our units say is done as systemd.service(5) has it.

What hardens a unit is not played: `PLAYED` and `PASSED_OVER` name every directive, and an unknown one is an error.
"""

from __future__ import annotations

import os
import pwd
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

FOLDER = Path("/etc/systemd/system")
PLAYED = frozenset(
    """
    EnvironmentFile Environment ExecStart Restart RestartSec KillSignal
    TimeoutStopSec DynamicUser User RuntimeDirectory StateDirectory WorkingDirectory
    SuccessAction FailureAction StartLimitIntervalSec StartLimitBurst StartLimitAction
    SuccessExitStatus Type Wants
    """.split()
)
PASSED_OVER = frozenset(
    """
    NoNewPrivileges RuntimeDirectoryMode
    Description Documentation After Before WantedBy KillMode PrivateTmp PrivateDevices ProtectHome
    ProtectSystem ProtectKernelTunables ProtectKernelModules ProtectKernelLogs ProtectControlGroups
    ProtectClock ProtectHostname ProtectProc RestrictAddressFamilies RestrictSUIDSGID RestrictNamespaces
    RestrictRealtime CapabilityBoundingSet LockPersonality UMask SupplementaryGroups SystemCallFilter
    SystemCallArchitectures MemoryDenyWriteExecute LimitNOFILE StandardOutput StandardError SyslogIdentifier
    OOMPolicy
    """.split()
)
_DYNAMIC_USER, _GROUPS = 61184, Path("/etc/group")
_CLEAN = {signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGPIPE}
_SPAN = {"": 1.0, "s": 1.0, "sec": 1.0, "ms": 0.001, "min": 60.0, "h": 3600.0}
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin"


def parse(text: str) -> dict[str, list[str]]:
    """Return a unit's directives, each with its values in their order."""
    found: dict[str, list[str]] = {}
    for line in re.sub(r"\\\n", " ", text).splitlines():
        name, equals, value = line.strip().partition("=")
        if not line.startswith(("#", ";", "[")) and equals:
            assert name in PLAYED | PASSED_OVER, f"nobody plays {name}"
            found[name] = [*found.get(name, []), value] if value else []
    return found


def seconds(text: str) -> float:
    """Return a span of time such as ``10min`` or ``1min 30s``, in seconds."""
    if text == "infinity":
        return float("inf")
    parts = re.findall(r"(\d+(?:\.\d+)?)\s*([a-z]*)", text)
    return sum(float(number) * _SPAN[unit] for number, unit in parts)


def words(text: str) -> list[str]:
    """Return what a line of Environment=, or a command, says, quotes taken off."""
    found = re.findall(r'((?:[^\s"\']|"(?:[^"\\]|\\.)*"|\'[^\']*\')+)', text)
    return [_unquoted(word) for word in found]


def environment_file(text: str) -> dict[str, str]:
    """Return the variables of an EnvironmentFile."""
    pairs = [line.split("=", 1) for line in text.splitlines() if "=" in line and not line.startswith(("#", ";"))]
    return {name.strip(): _unquoted(value.strip()) for name, value in pairs}


def _unquoted(word: str) -> str:
    def plain(found: re.Match[str]) -> str:
        return re.sub(r"\\(.)", r"\1", found[1]) if found[1] is not None else found[2]

    return re.sub(r'"((?:[^"\\]|\\.)*)"|\'([^\']*)\'', plain, word)


def expanded(command: str, environment: dict[str, str]) -> list[str]:
    """Return a command's words: ``${A}`` is put in its place, and a word that is ``$A`` becomes as many as it has."""
    found: list[str] = []
    for word in words(command):
        if whole := re.fullmatch(r"\$(\w+)", word):
            found += environment.get(whole[1], "").split()
        else:
            found.append(re.sub(r"\$\{(\w+)\}", lambda name: environment.get(name[1], ""), word))
    return found


class Unit:
    """A service: started, watched, started again, and in the end perhaps the end of its host.

    Args:
        name: its file's.
        act: carries out an action such as ``poweroff``, for a reason.
        tell: writes a line into the journal: of which unit, of which process, and the line.
        common: the environment that every unit is given.
    """

    def __init__(
        self,
        name: str,
        act: Callable[[str, str], object],
        tell: Callable[[str, int, str], object],
        common: dict[str, str],
    ) -> None:
        self.name, self._act, self._tell, self._common = name, act, tell, common
        self.state = "inactive"
        self._process: subprocess.Popen[bytes] | None = None
        self._starts: list[float] = []
        self._changed = threading.Condition()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> bool:
        """Start it; return whether it runs, as `systemctl start` does for Type=exec."""
        with self._changed:
            if self._thread is None or not self._thread.is_alive():
                self._stopping.clear()
                self.state = "activating"
                self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)
                self._thread.start()
            self._changed.wait_for(lambda: self.state not in ("activating",), 90)
            return self.state in ("active", "inactive")

    def stop(self) -> None:
        """Stop it: its signal, its patience, and then SIGKILL."""
        self._stopping.set()
        process, settings = self._process, self._settings()
        if process is not None and process.poll() is None:
            self._set("deactivating")
            process.send_signal(getattr(signal, _last(settings, "KillSignal", "SIGTERM")))
            try:
                process.wait(seconds(_last(settings, "TimeoutStopSec", "90s")))
            except subprocess.TimeoutExpired:
                self._tell(self.name, 1, f"{self.name}: stopping timed out. Killing.")
                _kill(process)
        if self._thread is not None:
            self._thread.join(60)

    def _settings(self) -> dict[str, list[str]]:
        return parse((FOLDER / self.name).read_text())

    def _set(self, state: str) -> None:
        with self._changed:
            self.state = state
            self._changed.notify_all()

    def _run(self) -> None:
        settings = self._settings()
        while True:
            if not self._may_start(settings):
                self._tell(self.name, 1, f"{self.name}: start request repeated too quickly, refused")
                self._set("failed")
                for name in ("FailureAction", "StartLimitAction"):
                    self._action(settings, name)
                return
            good = self._once(settings)
            restart = _last(settings, "Restart", "no")
            again = restart == "always" or (restart == "on-failure" and not good)
            if self._stopping.is_set() or not again:
                self._set("inactive" if good else "failed")
                self._action(settings, "SuccessAction" if good else "FailureAction")
                return
            self._set("activating")
            if self._stopping.wait(seconds(_last(settings, "RestartSec", "100ms"))):
                self._set("inactive")
                return

    def _may_start(self, settings: dict[str, list[str]]) -> bool:
        interval, burst = (
            seconds(_last(settings, "StartLimitIntervalSec", "10s")),
            _last(settings, "StartLimitBurst", "5"),
        )
        now = time.monotonic()
        self._starts = [at for at in self._starts if now - at < interval]
        if interval and len(self._starts) >= int(burst):
            return False
        self._starts.append(now)
        return True

    def _action(self, settings: dict[str, list[str]], name: str) -> None:
        action = _last(settings, name, "none")
        if action != "none":
            self._act(action, f"{name} of {self.name}")

    def _once(self, settings: dict[str, list[str]]) -> bool:
        """Run it to its end; return whether that was a clean one."""
        try:
            process = self._spawn(settings)
        except OSError as err:
            self._tell(self.name, 1, f"{self.name}: cannot be started: {err}")
            return False
        self._process = process
        self._tell(self.name, 1, f"Started {self.name}, process {process.pid}")
        if _last(settings, "Type", "simple") != "oneshot":
            self._set("active")
        assert process.stdout is not None
        for line in process.stdout:
            self._tell(self.name, process.pid, line.decode(errors="replace").rstrip("\n"))
        status = process.wait()
        _kill(process)
        self._tell(self.name, 1, f"{self.name}: main process ended, status {status}")
        allowed = {int(word) for word in _last(settings, "SuccessExitStatus", "").split()}
        return status == 0 or status in allowed or -status in _CLEAN

    def _spawn(self, settings: dict[str, list[str]]) -> subprocess.Popen[bytes]:
        environment = {"PATH": _PATH, "LANG": "C.UTF-8", **self._common}
        for line in settings.get("Environment", []):
            environment |= dict(word.split("=", 1) for word in words(line))
        for name in settings.get("EnvironmentFile", []):
            path = Path(name.removeprefix("-"))
            if not name.startswith("-") or path.exists():
                environment |= environment_file(path.read_text())
        user, options = self._user(settings), {}
        if user:
            options = {"user": user, "group": user, "extra_groups": []}
        for name, folder, word in (("RuntimeDirectory", "/run", "RUNTIME"), ("StateDirectory", "/var/lib", "STATE")):
            for own in _last(settings, name, "").split():
                path = Path(folder, own)
                path.mkdir(parents=True, exist_ok=True)
                os.chown(path, user, user)
                environment[f"{word}_DIRECTORY"] = str(path)
        (command,) = settings["ExecStart"]
        kind: Any = subprocess.Popen
        started: subprocess.Popen[bytes] = kind(
            expanded(command, environment),
            env=environment,
            cwd=_last(settings, "WorkingDirectory", "/"),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            **options,
        )
        return started

    def _user(self, settings: dict[str, list[str]]) -> int:
        if _last(settings, "DynamicUser", "no") == "yes":
            return _dynamic_user(self.name.removesuffix(".service"))
        name = _last(settings, "User", "")
        return pwd.getpwnam(name).pw_uid if name else 0


def _dynamic_user(name: str) -> int:
    """Return the user of a unit, whom /etc/passwd knows by the unit's name as libnss-systemd would."""
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        id = _DYNAMIC_USER + sum(name.encode()) % 4000
        for path, line in (
            (Path("/etc/passwd"), f"{name}:x:{id}:{id}::/:/usr/sbin/nologin"),
            (_GROUPS, f"{name}:x:{id}:"),
        ):
            with path.open("a") as file:
                file.write(f"{line}\n")
        return id


def _last(settings: dict[str, list[str]], name: str, otherwise: str) -> str:
    return (settings.get(name) or [otherwise])[-1]


def _kill(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
