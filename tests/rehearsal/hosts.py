"""The machines of the account's instances: for each a container on a small Debian, in a network of its own.

In that network are the account and the host's metadata service, and nothing else. `guest/init.py` is the first process.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.rehearsal.account import REGION, Account
from tests.rehearsal.ec2 import Instance
from tests.rehearsal.metadata import ADDRESS, HostMetadata
from tests.support.compose import ROOT
from tests.support.containers import Container, Images, configuration
from tests.support.network import Network

# Of the base that hosts run, which is the images' too.
PYTHON = "3.11"
# The account's port in every host's network.
PORT = 4566
_GUEST = Path(__file__).parent / "guest"
_COMMANDS = ("systemctl", "systemd-run", "shutdown", "poweroff", "journalctl")
# What root needs to set a host up: to make folders for others, to become them, and to end them.
_MAY = ["CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_SETUID", "CAP_SETGID", "CAP_KILL"]


def why_not() -> str:
    """Return why no host can run on this machine; empty when they can."""
    if os.geteuid() != 0:
        return "hosts are run by root"
    missing = [name for name in ("buildah", "debootstrap", "runc", "unshare") if shutil.which(name) is None]
    return f"there is no {', '.join(missing)}" if missing else ""


class Host:
    """One instance's machine.

    Attributes:
        instance: whose it is.
        network: its own.
        metadata: what it finds of itself.
        container: what runs.
        began: when its first process was started, in seconds since 1970.
    """

    def __init__(self, instance: Instance, root: Path, folder: Path, account: Account) -> None:
        self.instance = instance
        self.network = Network()
        self.network.add(ADDRESS)
        self.metadata = HostMetadata(self.network.listen(ADDRESS, 80), instance, account.identities, REGION)
        self.metadata.start()
        account.serve(self.network.listen("127.0.0.1", PORT))
        folder.mkdir(parents=True)
        (folder / "config.json").write_text(json.dumps(self._configuration(root)))
        self.began = time.time()
        self.container = Container(f"elastiq-{os.getpid()}-{instance.id}", folder)

    def journal(self) -> list[dict[str, Any]]:
        """Return the lines that its journal has so far: when, of which unit, of which process, and what."""
        found = []
        for line in self.container.log.read_text(errors="replace").splitlines():
            if line.startswith('{"at"'):
                found.append(json.loads(line))
        return found

    def events(self, event: str) -> list[dict[str, Any]]:
        """Return what our processes logged of an event, with when (``at``, seconds since 1970)."""
        lines = [entry for entry in self.journal() if f'"event": "{event}"' in entry["message"]]
        return [{**json.loads(entry["message"]), "at": entry["at"]} for entry in lines]

    def off(self) -> None:
        """Press its power button; it stops its units, and is off."""
        self.container.terminate()

    def close(self) -> None:
        """End it whatever it does, with its network."""
        self.container.kill()
        self.metadata.stop()
        self.network.close()

    def _configuration(self, root: Path) -> dict[str, Any]:
        common = {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{PORT}"}
        process = {
            "args": ["/usr/bin/python3", "-P", "/opt/rehearsal/init.py", json.dumps(common)],
            "env": [
                "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin",
                "LANG=C.UTF-8",
                "PYTHONPATH=/opt/rehearsal",
            ],
            "cwd": "/",
            "user": {"uid": 0, "gid": 0},
            "noNewPrivileges": False,
        }
        mounts = [
            {"destination": "/opt/rehearsal", "type": "bind", "source": str(_GUEST), "options": ["bind", "ro"]},
            {"destination": "/run", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "nodev", "mode=755"]},
        ]
        name = f"ip-{self.instance.id[2:]}"
        return configuration(name, {"path": str(root), "readonly": False}, process, self.network, mounts, _MAY)


class Hosts:
    """The machines of all instances of an account; `start` is what the account calls at a launch.

    Args:
        folder: where containers are kept.
        logs: where each host's console is kept, by its id.
    """

    def __init__(self, folder: Path, logs: Path) -> None:
        self._images = Images(folder)
        self._logs = logs
        self._account: Account | None = None
        self._threads: list[threading.Thread] = []
        self._ending = False
        self.all: dict[str, Host] = {}

    def make(self) -> None:
        """Make what every host's root is a copy of."""
        self._images.make_base()

    def serve(self, account: Account) -> None:
        """Be the machines of ``account``."""
        self._account = account
        account.instances.stop = self._stop

    def start(self, instance: Instance) -> None:
        """Bring an instance up, in the background."""
        thread = threading.Thread(target=self._run, args=[instance], name=instance.id, daemon=True)
        self._threads.append(thread)
        thread.start()

    def end(self) -> None:
        """End all of them, at once."""
        self._ending = True
        for host in list(self.all.values()):
            host.container.kill()
        for thread in self._threads:
            thread.join(60)

    def close(self) -> None:
        """End all of them, and remove what was made for them."""
        self.end()
        self._images.close()

    def _run(self, instance: Instance) -> None:
        account = self._account
        assert account is not None
        root = self._images.root("base")
        _dress(root)
        host = Host(instance, root, self._logs / instance.id, account)
        self.all[instance.id] = host
        account.instances.running(instance)
        if instance.state == "shutting-down":
            host.off()
        status = host.container.ended(timeout_s=3600)
        account.instances.over(instance)
        host.close()
        said = host.container.log.read_text(errors="replace")[-3000:]
        assert status == 0 or self._ending, f"{instance.id} ended with status {status} and not by going off:\n{said}"

    def _stop(self, instance: Instance) -> None:
        host = self.all.get(instance.id)
        if host is not None:
            host.off()


@contextmanager
def hosts(folder: Path, logs: Path) -> Iterator[Hosts]:
    """Have some that are ended with the block."""
    machines = Hosts(folder, logs)
    try:
        machines.make()
        yield machines
    finally:
        machines.close()


def _dress(root: Path) -> None:
    """Put the commands that `guest` plays into a host's root."""
    for name in _COMMANDS:
        path = root / "usr" / "bin" / name
        path.unlink(missing_ok=True)
        path.write_text(f'#!/bin/sh\nexec /usr/bin/python3 -P /opt/rehearsal/command.py {name} "$@"\n')
        path.chmod(0o755)


def folder() -> Path:
    """Return where figures and consoles are kept."""
    return ROOT / ".elastiq" / "rehearsal"


def unmounted(path: Path) -> bool:
    """Return whether nothing is mounted below a folder any more."""
    return str(path) not in subprocess.run(["mount"], capture_output=True, text=True, check=True).stdout
