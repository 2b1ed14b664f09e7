"""How glibc keeps a worker's memory: in few arenas, and given back once the engine has been compiled.

By default it keeps an arena for each of a worker's dozens of threads, and holds on to what compiling has freed.
Source: glibc manual, "Malloc Tunable Parameters"; mallopt(3), malloc_trim(3).
"""

from __future__ import annotations

import ctypes
import sys

ARENAS = 2
_M_ARENA_MAX = -8


def keep_little() -> None:
    """Let this process's threads share two arenas; to be called before they are started."""
    libc = _glibc()
    if libc is not None:
        libc.mallopt(_M_ARENA_MAX, ARENAS)


def give_back() -> None:
    """Return to the system what has been freed."""
    libc = _glibc()
    if libc is not None:
        libc.malloc_trim(0)


def _glibc() -> ctypes.CDLL | None:
    """Return the C library where it is glibc: others have neither arenas to limit nor anything to trim."""
    if not sys.platform.startswith("linux"):
        return None
    libc = ctypes.CDLL(None)
    return libc if hasattr(libc, "mallopt") and hasattr(libc, "malloc_trim") else None
