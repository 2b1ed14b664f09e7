"""A network of its own on this machine, with loopback alone; sockets in it can be had from here. It needs root."""

from __future__ import annotations

import ctypes
import fcntl
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

_NEW_NETWORK = 0x40000000  # CLONE_NEWNET, <sched.h>
_SET_ADDRESS, _SET_MASK, _SET_FLAGS = 0x8916, 0x891C, 0x8914  # <bits/ioctls.h>
# Brings loopback up in a network of its own, says so, and keeps that network until it ends.
_HOLDER = f"""
import fcntl, signal, socket, struct
fcntl.ioctl(socket.socket(), {_SET_FLAGS}, struct.pack("16sh", b"lo", 0x41))
print("up", flush=True)
signal.pause()
"""


class Network:
    """One, until it is closed."""

    def __init__(self) -> None:
        self._holder = subprocess.Popen(
            ["unshare", "--net", sys.executable, "-c", _HOLDER], stdout=subprocess.PIPE, start_new_session=True
        )
        assert self._holder.stdout is not None
        assert self._holder.stdout.readline() == b"up\n"

    @property
    def path(self) -> str:
        """Return the file that stands for it."""
        return f"/proc/{self._holder.pid}/ns/net"

    def add(self, address: str) -> None:
        """Give it one more address of its own."""

        def add() -> None:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
                for request, value in ((_SET_ADDRESS, address), (_SET_MASK, "255.255.255.255")):
                    packed = struct.pack("16sHH4s8x", b"lo:1", socket.AF_INET, 0, socket.inet_aton(value))
                    fcntl.ioctl(any_socket, request, packed)

        self._within(add)

    def listen(self, address: str, port: int) -> socket.socket:
        """Return a socket that listens in it, whoever holds it."""
        return self._within(lambda: socket.create_server((address, port), backlog=128))

    def connect(self, address: str, port: int, timeout_s: float = 10) -> socket.socket:
        """Return a connection to what listens in it.

        Raises:
            OSError: nothing does.
        """
        return self._within(lambda: socket.create_connection((address, port), timeout_s))

    def close(self) -> None:
        """Be gone, when the last that is in it has ended."""
        self._holder.send_signal(signal.SIGTERM)
        self._holder.communicate()

    def _within(self, do: Callable[[], T]) -> T:
        """Return what a function does in this network; a thread alone goes there."""
        done: list[T] = []
        failed: list[OSError] = []

        def run() -> None:
            there = os.open(self.path, os.O_RDONLY)
            try:
                libc = ctypes.CDLL(None, use_errno=True)
                if libc.setns(there, _NEW_NETWORK):
                    raise OSError(ctypes.get_errno(), "setns")
                done.append(do())
            except OSError as err:
                failed.append(err)
            finally:
                os.close(there)

        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
        if failed:
            raise failed[0]
        return done[0]


class MachinesNetwork:
    """The machine's own, for what is to reach what runs beside it."""

    path = f"/proc/{os.getpid()}/ns/net"

    def close(self) -> None:
        """Nothing is to be closed."""
