"""Builds docker/Dockerfile's images with buildah on a base of its own, and runs them with runc, with no Docker engine.

It needs root, and Debian's packages buildah, debootstrap and runc. Everything is kept in one folder.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.support.compose import ROOT, Service
from tests.support.network import MachinesNetwork, Network
from tests.support.waiting import wait_for

BASE = "elastiq-base"
# Where it is kept, for whoever builds or runs containers here.
BASE_FOLDER = ROOT / ".elastiq" / "base"
RELEASE = "bookworm"
INCLUDED = "python3,python3-venv,ca-certificates"
USER = 10001
# What a container of an engine's has in its root that the image has not.
_ETC_HOSTS = "/etc/hosts"


class Images:
    """buildah with a storage of its own.

    Args:
        folder: where it all is; the base is beside it, and is made once.
    """

    def __init__(self, folder: Path) -> None:
        missing = [name for name in ("buildah", "debootstrap", "runc") if shutil.which(name) is None]
        assert not missing, f"install Debian's packages {' '.join(missing)}"
        assert os.geteuid() == 0, "containers are built and run as root here"
        self._folder = folder
        (folder / "tmp").mkdir(parents=True, exist_ok=True)
        storage = folder / "storage.conf"
        storage.write_text(
            f'[storage]\ndriver = "{_driver(folder)}"\n'
            f'graphroot = "{folder / "storage"}"\nrunroot = "{folder / "run"}"\n'
        )
        self._environment = {
            **os.environ,
            "CONTAINERS_STORAGE_CONF": str(storage),
            "BUILDAH_ISOLATION": "chroot",
            "TMPDIR": str(folder / "tmp"),
        }
        self._working = False
        self._lock = threading.Lock()

    def make_base(self) -> None:
        """Have the base, which the Dockerfile takes for its default one: a small Debian with its Python, made once."""
        BASE_FOLDER.mkdir(parents=True, exist_ok=True)
        tar = BASE_FOLDER / "base.tar"
        with (BASE_FOLDER / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not tar.exists():
                _make_tar(tar)
        file = self._folder / "base.Containerfile"
        file.write_text("FROM scratch\nADD base.tar /\n")
        self._buildah("build", "--quiet", "--tag", BASE, "--file", str(file), str(BASE_FOLDER))

    def build(self, target: str) -> float:
        """Build a target as `make images` does, with this machine's own way to packages; return the seconds it took."""
        options, volumes = _pip_configuration()
        configuration = self._folder / "pip.conf"
        configuration.write_text(options)
        environment = {
            **self._environment,
            "BUILDER": "buildah",
            "BASE": f"localhost/{BASE}",
            "PIP_CONF": str(configuration),
            "BUILD_OPTIONS": " ".join(f"--volume {path}:{path}:ro" for path in volumes),
        }
        began = time.monotonic()
        _run([str(ROOT / "docker" / "build"), target], environment)
        return time.monotonic() - began

    def configuration(self, target: str) -> dict[str, Any]:
        """Return what the image says of itself: user, environment, command, health check."""
        found = json.loads(self._buildah("inspect", "--type", "image", f"localhost/elastiq-{target}"))
        return dict(found["Docker"]["config"])

    def megabytes(self, name: str) -> float:
        """Return an image's size, in 10^6 bytes."""
        (found,) = json.loads(self._buildah("images", "--json", f"localhost/{name}"))
        number, unit = found["size"].split()
        return float(number) * {"KB": 1e-3, "MB": 1, "GB": 1e3}[unit]

    def root(self, target: str) -> Path:
        """Return a folder with the image's files, mounted until `close`; each is another, and may be written to."""
        with self._lock:  # two at once would take each other's locks on the storage
            container = self._buildah("from", f"localhost/elastiq-{target}").strip()
            self._working = True
            return Path(self._buildah("mount", container).strip())

    def close(self) -> None:
        """Unmount, and remove what only takes room."""
        if self._working:
            self._buildah("umount", "--all")
            self._buildah("rm", "--all")
        self._buildah("rmi", "--all", "--force")
        shutil.rmtree(self._folder / "tmp", ignore_errors=True)

    def _buildah(self, *arguments: str) -> str:
        return _run(["buildah", *arguments], self._environment)


class Container:
    """A running container.

    Attributes:
        id: its name and its host's.
        log: the file that its standard output and error go to.
    """

    def __init__(self, id: str, bundle: Path) -> None:
        self.id = id
        self.log = bundle / "log"
        with self.log.open("wb") as output:
            self._process = subprocess.Popen(
                ["runc", "run", "--bundle", str(bundle), id], stdout=output, stderr=output, start_new_session=True
            )

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command in it, as its user."""
        return subprocess.run(["runc", "exec", self.id, *command], capture_output=True, text=True, check=False)

    @property
    def running(self) -> bool:
        """Return whether it has not ended."""
        return self._process.poll() is None

    @property
    def pid(self) -> int:
        """Its first process, as this machine numbers it; 0 while there is none."""
        found = subprocess.run(["runc", "state", self.id], capture_output=True, check=False)
        state = json.loads(found.stdout) if found.returncode == 0 else {}
        return int(state["pid"]) if state.get("status") == "running" else 0

    def processes(self) -> list[dict[str, str]]:
        """Return the fields of /proc/PID/status of each of its processes."""
        pids = json.loads(_run(["runc", "ps", "--format", "json", self.id]))
        return [
            dict(re.findall(r"^(\w+):\s*(.*)$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)) for pid in pids
        ]

    def ended(self, timeout_s: float = 60) -> int:
        """Wait for its end; return the exit status."""
        return self._process.wait(timeout_s)

    def terminate(self) -> None:
        """Send its first process SIGTERM, if it has not ended."""
        subprocess.run(["runc", "kill", self.id, "TERM"], capture_output=True, check=False)

    def kill(self) -> None:
        """End it whatever it does."""
        if self._process.poll() is None:
            subprocess.run(["runc", "kill", self.id, "KILL"], capture_output=True, check=False)
            self._process.wait(30)


class ServiceContainer(Container):
    """A running container of one service of Compose's; ``service`` is which."""

    def __init__(self, id: str, service: Service, bundle: Path, health: list[str]) -> None:
        super().__init__(id, bundle)
        self.service, self._health = service, health

    def healthy(self) -> bool:
        """Return whether its health check, the image's, passes.

        Raises:
            AssertionError: it has ended.
        """
        assert self._process.poll() is None, f"{self.id} ended with {self._process.poll()}: {self.log.read_text()}"
        return self.run(*self._health).returncode == 0

    def stop(self) -> tuple[int, float]:
        """Stop it as Compose does, but for the SIGKILL; return its exit status and the seconds it took."""
        began = time.monotonic()
        _run(["runc", "kill", self.id, "TERM"])
        return self._process.wait(self.service.stop_grace_s), time.monotonic() - began


class Pod:
    """Containers that share a network of their own, in which every service has its name.

    Args:
        images: where their files come from.
        services: all that have names.
        folder: for bundles, logs and volumes.
        network: theirs; one of the pod's own unless told.
    """

    def __init__(
        self,
        images: Images,
        services: dict[str, Service],
        folder: Path,
        network: Network | MachinesNetwork | None = None,
    ) -> None:
        self._images, self._services, self._folder = images, services, folder
        self._roots: dict[str, Path] = {}
        self.containers: list[ServiceContainer] = []  # those that have ended too
        self._network = network or Network()
        self._hosts = folder / "hosts"
        self._hosts.write_text(f"127.0.0.1 localhost {' '.join(services)}\n")

    def start(
        self, name: str, mounts: tuple[tuple[Path, str], ...] = (), command: list[str] | None = None, **environment: str
    ) -> ServiceContainer:
        """Start one more container of a service.

        Args:
            name: the service's.
            mounts: folders of this machine, and where they can be read in the container.
            command: in place of the service's.
            environment: variables beside the service's.
        """
        service = self._services[name]
        service = replace(
            service, command=command or service.command, environment={**service.environment, **environment}
        )
        number = 1 + sum(container.service.name == name for container in self.containers)
        image = self._images.configuration(service.target)
        if service.target not in self._roots:
            self._roots[service.target] = self._images.root(service.target)
        id = f"elastiq-{os.getpid()}-{name}-{number}"
        bundle = self._folder / id
        bundle.mkdir()
        (bundle / "config.json").write_text(json.dumps(self._bundle(id, service, image, mounts)))
        container = ServiceContainer(id, service, bundle, image["Healthcheck"]["Test"][1:])
        self.containers.append(container)
        return container

    def running(self, name: str = "") -> list[ServiceContainer]:
        """Return the containers that run, of one service or of all."""
        return [one for one in self.containers if one.running and name in ("", one.service.name)]

    def client(self, *command: str, timeout_s: float = 120) -> str:
        """Run a command of this machine's in the pod's network; return what it prints."""
        return _run(["nsenter", f"--net={self._network.path}", *command], timeout_s=timeout_s)

    def close(self) -> None:
        """End everything."""
        for container in reversed(self.containers):
            container.kill()
        self._network.close()

    def _bundle(
        self, id: str, service: Service, image: dict[str, Any], own: tuple[tuple[Path, str], ...]
    ) -> dict[str, Any]:
        """Return runc's configuration of what the file and the image state."""
        mounts = [{"destination": _ETC_HOSTS, "type": "bind", "source": str(self._hosts), "options": ["bind", "ro"]}]
        mounts += [
            {"destination": path, "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "nodev", "mode=1777"]}
            for path in service.tmpfs
        ]
        mounts += [
            {"destination": path, "type": "bind", "source": str(source), "options": ["bind", "ro"]}
            for source, path in own
        ]
        for name, path in service.volumes:
            source = self._folder / "volumes" / name
            source.mkdir(parents=True, exist_ok=True)
            os.chown(source, USER, USER)
            mounts.append({"destination": path, "type": "bind", "source": str(source), "options": ["bind", "rw"]})
        user, group = map(int, image["User"].split(":"))
        process = {
            "args": [*image["Entrypoint"], *(service.command or image["Cmd"])],
            "env": [*image["Env"], *(f"{key}={value}" for key, value in service.environment.items())],
            "cwd": image["WorkingDir"] or "/",
            "user": {"uid": user, "gid": group},
            "noNewPrivileges": "no-new-privileges:true" in service.raw["security_opt"],
        }
        root = {"path": str(self._roots[service.target]), "readonly": service.raw["read_only"]}
        return configuration(id, root, process, self._network, mounts)


def configuration(
    id: str,
    root: dict[str, Any],
    process: dict[str, Any],
    network: Network | MachinesNetwork,
    mounts: list[dict[str, Any]],
    capabilities: list[str] | None = None,
) -> dict[str, Any]:
    """Return runc's configuration of a container: all that is its own but the network.

    Args:
        id: its host's name.
        root: its files, and whether they may be written to.
        process: what runs, as whom.
        network: which it is in.
        mounts: what it has in its root beside /proc, /sys and /dev.
        capabilities: what its root may do; nothing unless told.
    """
    base = [
        {"destination": "/proc", "type": "proc", "source": "proc"},
        {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["nosuid", "noexec", "nodev", "ro"]},
        {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755", "size=64k"]},
        {"destination": "/dev/shm", "type": "tmpfs", "source": "shm", "options": ["nosuid", "nodev", "mode=1777"]},
    ]
    kinds = ("bounding", "effective", "permitted", "inheritable", "ambient")
    namespaces: list[dict[str, str]] = [{"type": kind} for kind in ("pid", "ipc", "uts", "mount")]
    return {
        "ociVersion": "1.0.2",
        "hostname": id,
        "process": {**process, "capabilities": {kind: capabilities or [] for kind in kinds}},
        "root": root,
        "mounts": [*base, *mounts],
        "linux": {
            "namespaces": [*namespaces, {"type": "network", "path": network.path}],
            "maskedPaths": ["/proc/kcore", "/proc/keys", "/proc/timer_list"],
            "readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"],
        },
    }


@contextmanager
def pod(images: Images, services: dict[str, Service], folder: Path) -> Iterator[Pod]:
    """Run one that is ended with the block."""
    running = Pod(images, services, folder)
    try:
        yield running
    finally:
        running.close()


def healthy(*containers: ServiceContainer) -> None:
    """Wait until all of them are."""
    wait_for(lambda: all(container.healthy() for container in containers), 60)


def _driver(folder: Path) -> str:
    """Return the storage driver that works in a folder: overlay, or the one that copies everything."""
    probe = folder / "probe"
    for name in ("lower", "upper", "work", "merged"):
        (probe / name).mkdir(parents=True, exist_ok=True)
    options = f"lowerdir={probe / 'lower'},upperdir={probe / 'upper'},workdir={probe / 'work'}"
    mount = ["mount", "-t", "overlay", "overlay", "-o", options, str(probe / "merged")]
    works = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    if works:
        _run(["umount", str(probe / "merged")])
    shutil.rmtree(probe)
    return "overlay" if works else "vfs"


def _make_tar(tar: Path) -> None:
    """Make the base, as a file that is there whole or not at all."""
    tree = tar.with_name("tree")
    # Where an earlier run was cut off, that machine's own /proc may still be mounted there.
    subprocess.run(["umount", str(tree / "proc")], capture_output=True, check=False)
    shutil.rmtree(tree, ignore_errors=True)
    _run(["debootstrap", "--variant=minbase", f"--include={INCLUDED}", RELEASE, str(tree)])
    shutil.rmtree(tree / "var" / "cache" / "apt", ignore_errors=True)
    _run(["tar", "-C", str(tree), "-cf", f"{tar}.new", "."])
    Path(f"{tar}.new").rename(tar)
    shutil.rmtree(tree)


def _pip_configuration() -> tuple[str, list[Path]]:
    """Return this machine's configuration of pip as a file's text, and the files and folders that it names."""
    listed = _run([sys.executable, "-m", "pip", "config", "list"])
    options: dict[str, str] = {}
    for name, value in re.findall(r"^(?:global|install|:env:)\.([\w-]+)='(.*)'$", listed, re.MULTILINE):
        options[name] = value.encode().decode("unicode_escape")
    values = [value for text in options.values() for value in text.split()]
    paths = [Path(value.removeprefix("file://")) for value in values if value.startswith(("/", "file:///"))]
    # A folder of links may lead to files beside it.
    found = {path.parent if path.name == "simple" or path.is_file() else path for path in paths if path.exists()}
    lines = [f"{name} = " + "\n    ".join(text.split()) + "\n" for name, text in options.items()]
    return "[global]\n" + "".join(lines), sorted(found)


def _run(command: list[str], environment: dict[str, str] | None = None, timeout_s: float = 900) -> str:
    """Run a command; return what it prints.

    Raises:
        AssertionError: it failed; with the end of what it said.
    """
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=timeout_s, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    return done.stdout
