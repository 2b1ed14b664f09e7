"""Decodes HEIC, HEIF and AVIF in a process for each image, as their decoders cannot be interrupted.

One that takes too much time or memory, or crashes, costs its image and nothing else; what it can do is in `apart_main`.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from PIL import Image

from app.errors import ConfigurationError, InvalidImage, TransientError
from app.images.turning import Size

MAIN = Path(__file__).with_name("apart_main.py")
# What a process of its own may hold: itself, and for each pixel.
BASE_BYTES, BYTES_PER_PIXEL = 200_000_000, 24
# The processor's time that it may take: to start and decode anything, and for each pixel. A tenth is usual.
BASE_SECONDS, SECONDS_PER_PIXEL = 5, 0.5e-6
# A process that does not run either takes no such time: it may take this many times as much by the clock.
CLOCK = 10
# The modes that these decoders make, and their bytes a pixel.
_MODES = {"L": 1, "LA": 2, "La": 2, "RGB": 3, "RGBA": 4, "RGBa": 4, "I;16": 2}
_HEAD = 1000
_CRASHES = {signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGILL, signal.SIGFPE, signal.SIGTRAP, signal.SIGSYS}


@dataclass(frozen=True, slots=True)
class Limits:
    """What one process may take: of the processor's time, in seconds, and of memory, in bytes."""

    cpu_s: int
    memory: int


@dataclass(frozen=True, slots=True)
class Upright:
    """A decoded image, upright.

    Attributes:
        image: its pixels, perhaps smaller than it is.
        size: width and height in full.
        shrunk: how many pixels one of ``image`` is made of, each way.
    """

    image: Image.Image
    size: Size
    shrunk: int


def decode(
    image: bytes, format: str, pixels: int, shrunk: int = 1, *, limits: Limits | None = None, main: Path = MAIN
) -> Upright:
    """Return an image that a process of its own decoded.

    Args:
        image: the whole file.
        format: `HEIF`, which HEIC is too, or `AVIF`.
        pixels: how many it has by its header; one of more is refused.
        shrunk: how many pixels to make one of, each way.
        limits: what the process may take, if not what so many pixels need.
        main: the program that decodes.

    Raises:
        InvalidImage: it is damaged, takes too much time or memory, or crashes its decoder.
        TransientError: the process could not run, or was killed by somebody else.
        ConfigurationError: what decodes it is not installed.
    """
    limits = limits or limits_of(pixels)
    orders = {"packages": _packages(), "format": format, "pixels": pixels, "shrunk": shrunk}
    orders |= {"cpu_s": limits.cpu_s, "memory": limits.memory + len(image)}
    # -I -S: nothing of the environment's or the user's is imported. A session of its own: Ctrl-C is not for it.
    command = [sys.executable, "-I", "-S", str(main), json.dumps(orders)]
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=_environment(),
            start_new_session=True,
        )
    except OSError as err:
        raise TransientError(f"no process could be started to decode the image ({err})") from err
    return _answer(process, image, pixels, limits)


def limits_of(pixels: int) -> Limits:
    """Return what decoding so many pixels may take."""
    return Limits(int(BASE_SECONDS + SECONDS_PER_PIXEL * pixels), BASE_BYTES + BYTES_PER_PIXEL * pixels)


def _answer(process: subprocess.Popen[bytes], image: bytes, pixels: int, limits: Limits) -> Upright:
    late = threading.Event()

    def end() -> None:
        late.set()
        process.kill()

    clock = threading.Timer(CLOCK * limits.cpu_s, end)
    clock.start()
    assert process.stdin is not None
    assert process.stdout is not None
    with process:
        try:
            # Who crashes or refuses may not have read all of it.
            with suppress(BrokenPipeError):
                process.stdin.write(image)
            with suppress(BrokenPipeError):
                process.stdin.close()
            said = _said(process.stdout.readline(_HEAD), pixels)
            data = process.stdout.read(said.length)
            process.stdout.close()
            code = process.wait()
        finally:
            process.kill()
            clock.cancel()
    _judge(code, late.is_set())
    return _upright(said, data)


def _judge(code: int, late: bool) -> None:
    """Say why a process ended as it did; nothing where it ended by itself."""
    if late or code == -signal.SIGXCPU:
        raise InvalidImage("the image takes too long to decode")
    if -code in _CRASHES:
        raise InvalidImage(f"the image is damaged: it crashes its decoder ({signal.Signals(-code).name})")
    if code < 0:
        raise TransientError(f"the process that decoded the image was ended by {signal.Signals(-code).name}")


@dataclass(frozen=True, slots=True)
class _Said:
    """The first line of a process's answer: what it made, or why it did not; nothing of either is believed."""

    why: str = ""
    missing: str = ""
    mode: str = ""
    size: Size = (0, 0)
    whole: Size = (0, 0)
    shrunk: int = 1

    @property
    def length(self) -> int:
        """How many bytes its pixels are."""
        return self.size[0] * self.size[1] * _MODES.get(self.mode, 0)


def _said(head: bytes, pixels: int) -> _Said:
    """Return what a first line says; nothing where it can't be so."""
    try:
        said = _Said(**json.loads(head))
        size, whole = ((int(width), int(height)) for width, height in (said.size, said.whole))
    except (ValueError, TypeError):
        return _Said()
    if said.mode and (min(*size, *whole, said.shrunk) < 1 or max(size[0] * size[1], whole[0] * whole[1]) > pixels):
        return _Said()
    return replace(said, size=size, whole=whole)


def _upright(said: _Said, data: bytes) -> Upright:
    if said.missing:
        raise ConfigurationError(f"HEIC and AVIF cannot be decoded here: {said.missing}; install what setup.cfg names")
    if said.why:
        raise InvalidImage(f"the image is damaged or cut short ({said.why})")
    if said.mode and said.mode not in _MODES:
        raise InvalidImage(f"the image's colours ({said.mode}) are none that we know")
    if not data or len(data) != said.length:
        raise TransientError("the process that decoded the image broke off")
    return Upright(Image.frombytes(said.mode, said.size, data), said.whole, said.shrunk)


@cache
def _packages() -> list[str]:
    """Return where the decoders are installed."""
    found = (find_spec(name) for name in ("PIL", "pillow_heif", "_pillow_heif"))
    places = {
        Path(spec.origin).parents[bool(spec.submodule_search_locations)] for spec in found if spec and spec.origin
    }
    return sorted(map(str, places))


def _environment() -> dict[str, str]:
    """Return what a process needs to start: no keys, no settings; and one arena of memory, as each counts in full."""
    return {"MALLOC_ARENA_MAX": "1"} | {name: os.environ[name] for name in ("LD_LIBRARY_PATH",) if name in os.environ}
