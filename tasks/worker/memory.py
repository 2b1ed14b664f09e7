"""How glibc keeps a worker's memory: in few arenas.

By default it keeps an arena for each of a worker's dozens of threads, which adds up to 25 MB.
Source: glibc manual, "Malloc Tunable Parameters"; mallopt(3).
"""

from __future__ import annotations

import ctypes
import sys

ARENAS = 2
_M_ARENA_MAX = -8


def keep_little() -> None:
    """Let this process's threads share two arenas; to be called before they are started.

    Where the C library is not glibc, there are none to limit.
    """
    libc = ctypes.CDLL(None) if sys.platform.startswith("linux") else None
    if libc is not None and hasattr(libc, "mallopt"):
        libc.mallopt(_M_ARENA_MAX, ARENAS)
