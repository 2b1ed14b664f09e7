"""Wheels for another machine than this one: a closure of requirements, each in the one version that is locked.

pip finds and fetches them. What a requirement needs is read from its wheel, by the markers of the target: pip itself
would go by those of the machine that it runs on.
"""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from email.parser import Parser
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename

from app.errors import ConfigurationError

# The C library of the oldest and the newest Linux that wheels are sought for; Ubuntu 24.04 has 2.39.
_GLIBC = range(39, 16, -1)


class NoWheel(ConfigurationError):
    """pip finds no wheel of a package for a target, or no registry."""


@dataclass(frozen=True, slots=True)
class Target:
    """What the wheels are to run on: Linux with this Python.

    Attributes:
        python: such as ``3.12``.
        machine: ``x86_64`` or ``aarch64``.
    """

    python: str = "3.12"
    machine: str = "x86_64"

    def __str__(self) -> str:
        return f"python{self.python}-{self.machine}"

    @property
    def markers(self) -> dict[str, str]:
        """Return what a requirement's marker sees there."""
        return {
            "implementation_name": "cpython",
            "implementation_version": f"{self.python}.0",
            "os_name": "posix",
            "platform_machine": self.machine,
            "platform_python_implementation": "CPython",
            "platform_release": "",
            "platform_system": "Linux",
            "platform_version": "",
            "python_full_version": f"{self.python}.0",
            "python_version": self.python,
            "sys_platform": "linux",
        }

    @property
    def arguments(self) -> list[str]:
        """Return what pip is told of it."""
        platforms = [*(f"manylinux_2_{minor}_{self.machine}" for minor in _GLIBC), f"manylinux2014_{self.machine}"]
        abis = [f"cp{self.python.replace('.', '')}", "abi3", "none"]
        return [
            *("--python-version", self.python, "--implementation", "cp"),
            *(word for abi in abis for word in ("--abi", abi)),
            *(word for platform in platforms for word in ("--platform", platform)),
        ]


def read_lock(path: Path) -> dict[str, str]:
    """Return the versions that a file of constraints locks, by normalised name.

    Raises:
        ConfigurationError: it cannot be read.
    """
    try:
        text = path.read_text()
    except OSError as err:
        raise ConfigurationError(f"{path} cannot be read: {err}; run this from a checkout of Elastiq") from err
    return {canonicalize_name(name): version for name, version in re.findall(r"^([\w.-]+)==(\S+)$", text, re.MULTILINE)}


def fetch(requirements: Iterable[str], target: Target, lock: dict[str, str], folder: Path) -> list[Path]:
    """Return the wheels of ``requirements`` and of all that they need, by name.

    Args:
        requirements: as in a package's metadata; versions come from ``lock``, and markers are heeded.
        target: what they are to run on.
        lock: the version of each package, by normalised name.
        folder: where wheels of this target are kept; what is there is not fetched again.

    Raises:
        ConfigurationError: a package is not locked.
        NoWheel: pip finds none of a package.
    """
    folder.mkdir(parents=True, exist_ok=True)
    found: dict[str, Path] = {}
    seen: set[tuple[str, str]] = set()
    wanted = _that_apply((Requirement(text) for text in requirements), target, "")
    while wanted:
        _fetch_missing({name for name, _ in wanted}, target, lock, folder)
        kept = _kept(folder)
        seen |= wanted
        found.update({name: kept[name, lock[name]] for name, _ in wanted})
        needs = [_that_apply(_needs(found[name]), target, extra) for name, extra in wanted]
        wanted = {need for some in needs for need in some} - seen
    return [found[name] for name in sorted(found)]


def _that_apply(requirements: Iterable[Requirement], target: Target, extra: str) -> set[tuple[str, str]]:
    """Return the names of the requirements that hold for ``target`` and ``extra``, each with each extra asked of it."""
    environment = {**target.markers, "extra": extra}
    return {
        (canonicalize_name(requirement.name), asked)
        for requirement in requirements
        if requirement.marker is None or requirement.marker.evaluate(environment)
        for asked in ("", *requirement.extras)
    }


def _needs(wheel: Path) -> list[Requirement]:
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", name))
        metadata = Parser().parsestr(archive.read(name).decode(), headersonly=True)
    return [Requirement(text) for text in metadata.get_all("Requires-Dist") or []]


def _kept(folder: Path) -> dict[tuple[str, str], Path]:
    wheels = [(parse_wheel_filename(path.name), path) for path in sorted(folder.glob("*.whl"))]
    return {(str(name), str(version)): path for (name, version, _, _), path in wheels}


def _fetch_missing(names: set[str], target: Target, lock: dict[str, str], folder: Path) -> None:
    unlocked = sorted(names - lock.keys())
    if unlocked:
        raise ConfigurationError(
            f"no version of {', '.join(unlocked)} is locked in docker/constraints.txt; run `make lock`"
        )
    kept = _kept(folder)
    missing = [f"{name}=={lock[name]}" for name in sorted(names) if (name, lock[name]) not in kept]
    if not missing:
        return
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
    command += ["--disable-pip-version-check", "--dest", str(folder), *target.arguments, *missing]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise NoWheel(
            f"pip finds no wheels for {target} of {', '.join(missing)}: {done.stderr.strip() or done.stdout.strip()}"
        )
