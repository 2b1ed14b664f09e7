"""A rehearsed host's first process: cloud-init's part and then systemd's, until the host is switched off.

It runs in the container, with the host's own Python, and has the standard library alone. `command` talks to it.
"""

from __future__ import annotations

import email
import gzip
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path
from typing import Any

import units

SOCKET = "/run/rehearsal.socket"
JOURNAL = Path("/var/log/rehearsal.journal")
_METADATA = "http://169.254.169.254/latest"
_SCRIPTS = Path("/var/lib/cloud/instance/scripts")


class Host:
    """The machine as its commands see it."""

    def __init__(self, common: dict[str, str]) -> None:
        self._common = common
        self._units: dict[str, units.Unit] = {}
        self._enabled: set[str] = set()
        self._timers: dict[str, threading.Timer] = {}
        self._lock = threading.Lock()
        self.off = threading.Event()

    def tell(self, unit: str, pid: int, line: str) -> None:
        """Write a line to the console and into the journal."""
        entry = {"at": time.time(), "unit": unit, "pid": pid, "message": line}
        with self._lock:
            print(json.dumps(entry), flush=True)
            with JOURNAL.open("a") as journal:
                journal.write(json.dumps(entry) + "\n")

    def act(self, action: str, why: str) -> None:
        """Do as a unit's SuccessAction, FailureAction or StartLimitAction says."""
        assert action.startswith("poweroff"), f"nobody plays {action}"
        self.tell("init", 1, f"power-off: {why}")
        self.off.set()

    def stop(self) -> None:
        """Stop every unit; those that came last, first."""
        for unit in reversed(list(self._units.values())):
            unit.stop()

    def run(self, words: list[str]) -> tuple[int, str]:
        """Carry a command out; return its exit status and what it prints."""
        name, options = words[0], [word for word in words[1:] if word.startswith("-")]
        rest = [word for word in words[1:] if not word.startswith("-")]
        if name == "systemctl":
            return self._systemctl(rest[0], rest[1:], options)
        if name == "systemd-run":
            return self._systemd_run(rest, options)
        if name == "shutdown" and "-c" in options:
            return self._cancel("shutdown")
        if name in ("shutdown", "poweroff", "halt"):
            return self._shutdown(rest[0] if rest else "+1" if name == "shutdown" else "now")
        return 1, f"nobody plays {name}"

    def _shutdown(self, when: str) -> tuple[int, str]:
        minutes = 0.0 if when == "now" else float(when.removeprefix("+"))
        self._arm("shutdown", minutes * 60)
        return 0, ""

    def _arm(self, name: str, after_s: float) -> None:
        if not after_s:
            self.act("poweroff", name)
            return
        self._timers[name] = threading.Timer(after_s, self.act, ["poweroff", f"{name}, after {after_s:.0f} s"])
        self._timers[name].daemon = True
        self._timers[name].start()

    def _cancel(self, name: str) -> tuple[int, str]:
        timer = self._timers.pop(name, None)
        if timer is not None:
            timer.cancel()
        return 0, ""

    def _systemd_run(self, rest: list[str], options: list[str]) -> tuple[int, str]:
        """Arm a timer that switches the host off; nothing else is asked for."""
        given = dict(option.lstrip("-").split("=", 1) for option in options if "=" in option)
        assert "poweroff" in rest[-1], f"nobody plays {rest}"
        self._arm(f"{given['unit']}.timer", units.seconds(given.get("on-active") or given["on-boot"]))
        return 0, ""

    def _systemctl(self, verb: str, names: list[str], options: list[str]) -> tuple[int, str]:
        if verb in ("daemon-reload", "reset-failed", "preset"):
            return 0, ""
        if verb in ("poweroff", "halt"):
            self.act("poweroff", f"systemctl {verb}")
            return 0, ""
        names = [name if "." in name else f"{name}.service" for name in names]
        if verb in ("enable", "disable"):
            missing = [name for name in names if not (units.FOLDER / name).exists()]
            if missing:
                return 1, f"Failed to enable unit: Unit file {missing[0]} does not exist."
            self._enabled |= set(names)
            if "--now" not in options:
                return 0, ""
            verb = "start" if verb == "enable" else "stop"
        if verb in ("start", "restart"):
            return self._start(names, "--no-block" in options)
        if verb == "stop":
            for name in names:
                self._cancel(name)
                if name in self._units:
                    self._units[name].stop()
            return 0, ""
        if verb in ("is-active", "is-failed"):
            states = [self._units[name].state if name in self._units else "inactive" for name in names]
            wanted = "active" if verb == "is-active" else "failed"
            return (0 if wanted in states else 3), "" if "--quiet" in options else "\n".join(states)
        return 1, f"nobody plays systemctl {verb}"

    def _start(self, names: list[str], without_waiting: bool) -> tuple[int, str]:
        for name in names:
            if not (units.FOLDER / name).exists():
                return 5, f"Failed to start {name}: Unit {name} not found."
            for wanted in " ".join(units.parse((units.FOLDER / name).read_text()).get("Wants", [])).split():
                if wanted not in names and (units.FOLDER / wanted).exists():
                    self._start([wanted], without_waiting)
            unit = self._units.setdefault(name, units.Unit(name, self.act, self.tell, self._common))
            if without_waiting:
                threading.Thread(target=unit.start, daemon=True).start()
            elif not unit.start():
                return 1, f"Job for {name} failed."
        return 0, ""


def listen(host: Host) -> None:
    """Answer commands, each in a thread of its own."""
    server = socket.socket(socket.AF_UNIX)
    server.bind(SOCKET)
    server.listen(16)

    def answer(connection: socket.socket) -> None:
        with connection, connection.makefile("rw") as stream:
            try:
                status, said = host.run(json.loads(stream.readline()))
            except Exception as err:
                status, said = 1, f"{type(err).__name__}: {err}"
                host.tell("init", 1, said)
            stream.write(json.dumps([status, said]) + "\n")

    def accept() -> None:
        while True:
            connection, _ = server.accept()
            threading.Thread(target=answer, args=[connection], daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()


def parts(user_data: bytes) -> list[tuple[str, str]]:
    """Return the parts of user data: what each is, and its text. Source: cloud-init, "User data formats"."""
    if user_data.startswith(b"\x1f\x8b"):
        user_data = gzip.decompress(user_data)
    if user_data.startswith(b"#!"):
        return [("text/x-shellscript", user_data.decode())]
    found = []
    for part in email.message_from_bytes(user_data).walk():
        if not part.is_multipart():
            payload: Any = part.get_payload(decode=True)
            found.append((part.get_content_type(), payload.decode()))
    return found


def cloud_init(host: Host, common: dict[str, str]) -> None:
    """Do what a stock image does on its first boot: boothooks first, and scripts in the end."""
    found = parts(_user_data())
    unknown = {kind for kind, _ in found} - {"text/cloud-boothook", "text/x-shellscript"}
    assert not unknown, f"nobody plays {unknown}"
    environment = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "HOME": "/", **common}
    for kind in ("text/cloud-boothook", "text/x-shellscript"):
        for number, text in enumerate(text for other, text in found if other == kind):
            path = _SCRIPTS / f"{kind.rpartition('-')[2]}-{number:03d}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(re.sub(r"\A#cloud-boothook\n", "", text))
            path.chmod(0o700)
            _script(host, path, environment)
    host.tell("cloud-init", 1, "finished")


def _user_data() -> bytes:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    ttl = {"X-aws-ec2-metadata-token-ttl-seconds": "60"}
    token = direct.open(urllib.request.Request(f"{_METADATA}/api/token", method="PUT", headers=ttl)).read().decode()
    wanted = urllib.request.Request(f"{_METADATA}/user-data", headers={"X-aws-ec2-metadata-token": token})
    content: bytes = direct.open(wanted).read()
    return content


def _script(host: Host, path: Path, environment: dict[str, str]) -> None:
    host.tell("cloud-init", 1, f"running {path.name}")
    process = subprocess.Popen(
        [str(path)], env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    assert process.stdout is not None
    for line in process.stdout:
        host.tell("cloud-init", process.pid, line.decode(errors="replace").rstrip("\n"))
    host.tell("cloud-init", 1, f"{path.name} ended, status {process.wait()}")


def main() -> None:
    """Boot, run, and end when switched off; SIGTERM is the power button.

    Raises:
        SystemExit: what is played here broke, and not what the host was told to do.
    """
    common = json.loads(sys.argv[1])
    host = Host(common)
    signal.signal(signal.SIGTERM, lambda *_: host.off.set())
    host.tell("init", 1, "booted")
    listen(host)

    broken = []

    def boot() -> None:
        try:
            cloud_init(host, common)
        except Exception as err:
            broken.append(f"{type(err).__name__}: {err}")
            host.tell("cloud-init", 1, f"broke: {broken[0]}")
            host.off.set()

    threading.Thread(target=boot, daemon=True).start()
    while not host.off.wait(0.2):
        pass
    host.stop()
    host.tell("init", 1, "off")
    sys.exit(1 if broken else 0)


if __name__ == "__main__":
    main()
