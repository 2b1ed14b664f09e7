"""Which process a listener's queue belongs to, so that what a killed process leaves behind can be told from the rest.

An owner says that it lives by changing a tag every ten minutes. A sweep watches the tag change, by its own clock: it
compares no clocks, so neither a suspended laptop nor a host whose clock is wrong looks like the dead.
"""

from __future__ import annotations

import os
import socket
from pathlib import Path

OWNER, SEEN = "elastiq:owner", "elastiq:seen"
TOUCH_S = 600

_PROC = Path("/proc")


def owner() -> str:
    """Return who this process is, as its queues are tagged: ``<host>/<boot>/<namespace>/<process>/<its start>``.

    Where the system tells no more, it is ``<host>///<process>/``, and only its silence says that it is gone.
    """
    return "/".join([socket.gethostname(), *_world(), str(os.getpid()), _started(os.getpid()) or ""])


def ended(tag: str) -> bool:
    """Return whether ``tag`` names a process of this very system and process namespace that runs no more.

    Hosts may share a name, and process ids repeat in every container: all of it must be the same.
    """
    host, _, rest = tag.partition("/")
    boot, _, rest = rest.partition("/")
    namespace, _, rest = rest.partition("/")
    process, _, started = rest.partition("/")
    if host != socket.gethostname() or (boot, namespace) != _world() or not (boot and namespace and started):
        return False
    return _started(int(process)) != started if process.isdecimal() else False


def _world() -> tuple[str, str]:
    """Return what tells this boot of this machine, and this namespace of processes, from any other; else nothing."""
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
        namespace = os.readlink(_PROC / "self/ns/pid")  # pid:[4026531836]
    except OSError:
        return "", ""
    return boot, namespace.strip("pid:[]")


def _started(process: int) -> str | None:
    """Return when a process was started, in clock ticks since the boot; None where there is none, or none is told."""
    try:
        stat = (_PROC / str(process) / "stat").read_text()
    except OSError:
        return None
    # Field 22; the second, the command's name in parentheses, may hold anything.
    return stat.rpartition(")")[2].split()[19]
