"""Child processes that end with their parent and are ended in order."""

from __future__ import annotations

import shutil
import signal
import subprocess


def with_parent(command: list[str]) -> list[str]:
    """Return ``command`` such that it is asked to end (SIGTERM) when its parent dies, where the system can do that.

    Linux takes the thread that starts it for the parent: it must live as long as the process.
    """
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "TERM", "--", *command] if setpriv else command


def stop(process: subprocess.Popen[bytes], timeout_s: float, ask: signal.Signals = signal.SIGTERM) -> None:
    """Ask ``process`` to end, and make it end when it has not in ``timeout_s`` seconds."""
    if process.poll() is None:
        process.send_signal(ask)
    try:
        process.wait(timeout_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
