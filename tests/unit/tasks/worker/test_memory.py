"""A worker's threads share few of glibc's arenas."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

from tasks.worker import memory

COUNT_ARENAS = """
import ctypes, os, sys, threading
from tasks.worker import memory
if sys.argv[1] == "few":
    memory.keep_little()
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.malloc.argtypes = [ctypes.c_size_t]
barrier = threading.Barrier(16)
def allocate():
    barrier.wait()
    libc.malloc(50_000)
    barrier.wait()
threads = [threading.Thread(target=allocate) for _ in range(16)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
libc.fdopen.restype = ctypes.c_void_p
out = ctypes.c_void_p(libc.fdopen(1, b"w"))
libc.malloc_info(0, out)
libc.fflush(out)
"""


def arenas(how: str) -> int:
    command = [sys.executable, "-c", COUNT_ARENAS, how]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout.count("<heap nr=")


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="this C library has no arenas")
def test_the_threads_of_a_process_share_two_arenas() -> None:
    assert arenas("few") <= memory.ARENAS
    assert arenas("as usual") > memory.ARENAS
