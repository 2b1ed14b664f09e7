"""The versions of Celery and what it speaks through that setup.cfg allows, and environments that have one of them.

Such an environment is a virtual one that finds everything else in the environment of this process.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Mapping
from configparser import ConfigParser
from importlib.metadata import distributions, version
from pathlib import Path

from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).parents[2]
BOUND = ("amqp", "celery", "kombu")
# What comes with them; it is theirs to say which.
THEIRS = ("billiard", "vine")
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--retries", "1", "--timeout", "10", "install",
       "--quiet")  # fmt: skip

Versions = dict[str, Version]


class PipFailed(Exception):
    """Pip could not do it; the text is its own."""


def bounds() -> dict[str, Requirement]:
    """Return what setup.cfg asks for, by name."""
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg")
    asked = map(Requirement, setup["options"]["install_requires"].split("\n")[1:])
    return {one.name: one for one in asked if one.name in BOUND}


def installed() -> Versions:
    """Return what this process runs on."""
    return {name: Version(version(name)) for name in BOUND}


def oldest() -> Versions:
    """Return the lower bounds."""
    return {
        name: Version(one.version)
        for name, asked in bounds().items()
        for one in asked.specifier
        if one.operator == ">="
    }


def newest() -> Versions:
    """Return what pip would take today.

    Raises:
        PipFailed: it reaches no registry, or finds no versions that go together.
    """
    report = _pip("--dry-run", "--ignore-installed", "--report", "-", *map(str, bounds().values()))
    found = {item["metadata"]["name"]: item["metadata"]["version"] for item in json.loads(report)["install"]}
    return {name: Version(found[name]) for name in BOUND}


def environment(wanted: Mapping[str, Version], folder: Path) -> Path:
    """Return the Python of an environment that has these versions, made below ``folder`` unless it is there.

    Raises:
        PipFailed: these versions could not be had, or do not go with what else is installed.
    """
    pins = [f"{name}=={version}" for name, version in sorted(wanted.items())]
    others = sorted(f"{one.name}=={one.version}" for one in distributions() if one.name not in {*wanted, *THEIRS})
    key = hashlib.sha256("\n".join([sys.version, sys.prefix, *pins, *others]).encode()).hexdigest()[:12]
    home = folder / "-".join([*pins, key])
    packages = Path(sysconfig.get_path("purelib", "venv", {"base": str(home)}))
    complete = packages / "and_the_rest.pth"
    if not complete.exists():
        shutil.rmtree(home, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", home], check=True)
        constraints = home / "constraints.txt"
        constraints.write_text("\n".join(others))
        _pip("--no-warn-conflicts", "--target", str(packages), "--constraint", str(constraints), *pins)
        complete.write_text(f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n")
    return home / "bin" / "python"


def _pip(*arguments: str) -> str:
    done = subprocess.run([*PIP, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise PipFailed(done.stderr.strip())
    return done.stdout
