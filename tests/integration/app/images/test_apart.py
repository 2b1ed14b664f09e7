"""Real photographs in real processes; and processes that spin, sleep, crash or lie."""

from __future__ import annotations

import io
import textwrap
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from app.errors import ConfigurationError, InvalidImage, TransientError
from app.images.apart import MAIN, Limits, decode, limits_of
from tests.support import photographs
from tests.support.stills import quarters, still, ten_bits

SIZE = (90, 60)
PIXELS = 90 * 60
FORMATS = ("HEIF", "AVIF")


def far(one: Image.Image, other: Image.Image) -> float:
    assert one.size == other.size
    return float(np.abs(np.asarray(one.convert("RGB")).astype(int) - np.asarray(other.convert("RGB"))).mean())


@pytest.mark.parametrize("format", FORMATS)
def test_a_photograph_is_decoded_whole(format: str) -> None:
    photograph = Image.open(io.BytesIO(photographs.coffee())).convert("RGB")
    decoded = decode(still(photograph, format), format, photograph.width * photograph.height)

    assert (decoded.size, decoded.shrunk) == (photograph.size, 1)
    assert far(decoded.image, photograph) < 6


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("way", range(1, 9))
def test_it_is_upright_and_turned_but_once(way: int, format: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = way
    stored = quarters(SIZE)
    upright = stored.copy()
    upright.getexif()[0x0112] = way
    upright = ImageOps.exif_transpose(upright)

    decoded = decode(still(stored, format, exif=exif.tobytes()), format, PIXELS)

    assert decoded.size == upright.size
    assert far(decoded.image, upright) < 6
    assert decoded.image.getexif().get(0x0112) is None


def test_exif_alone_turns_nothing() -> None:
    """As the format's standard has it, and phones and browsers do."""
    exif = Image.Exif()
    exif[0x0112] = 6
    content = still(quarters(SIZE), "HEIF", exif=exif)  # pillow-heif heeds it in bytes only.

    assert b"irot" not in content
    assert far(decode(content, "HEIF", PIXELS).image, quarters(SIZE)) < 6


def test_ten_bits_become_eight() -> None:
    assert far(decode(ten_bits(quarters(SIZE)), "HEIF", PIXELS).image, quarters(SIZE)) < 6


def test_a_photograph_of_tiles_is_put_together() -> None:
    photograph = Image.open(io.BytesIO(photographs.coffee())).convert("RGB")
    tiled = still(photograph, "HEIF", tile_size=128)

    assert b"grid" in tiled
    assert far(decode(tiled, "HEIF", photograph.width * photograph.height).image, photograph) < 6


@pytest.mark.parametrize("format", FORMATS)
def test_what_is_transparent_stays_so(format: str) -> None:
    clear = quarters(SIZE, "RGBA")
    clear.putalpha(Image.linear_gradient("L").resize(SIZE))
    decoded = decode(still(clear, format), format, PIXELS).image

    assert decoded.mode == "RGBA"
    assert np.abs(np.asarray(decoded)[..., 3].astype(int) - np.asarray(clear)[..., 3]).max() < 10


@pytest.mark.parametrize("format", FORMATS)
def test_it_is_made_smaller_where_less_is_wanted(format: str) -> None:
    decoded = decode(still(quarters((91, 62)), format), format, 91 * 62, 4)

    assert (decoded.image.size, decoded.size, decoded.shrunk) == ((23, 16), (91, 62), 4)
    assert far(decoded.image, quarters((91, 62)).reduce(4)) < 6


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("part", [0.3, 0.9])
def test_what_is_cut_short_is_refused(format: str, part: float) -> None:
    photograph = Image.open(io.BytesIO(photographs.coffee())).convert("RGB")
    whole = still(photograph, format)

    with pytest.raises(InvalidImage, match="damaged or cut short"):
        decode(whole[: int(len(whole) * part)], format, photograph.width * photograph.height)


def test_more_pixels_than_the_header_says_are_refused_before_they_are_decoded() -> None:
    with pytest.raises(InvalidImage, match="90 x 60"):
        decode(still(quarters(SIZE), "HEIF"), "HEIF", PIXELS - 1)


def test_what_needs_more_memory_than_it_may_take_is_refused() -> None:
    content = still(quarters((3000, 2000)), "AVIF")

    with pytest.raises(InvalidImage):
        decode(content, "AVIF", 6_000_000, limits=Limits(30, limits_of(100).memory // 3))
    assert decode(content, "AVIF", 6_000_000).size == (3000, 2000)


def program(tmp_path: Path, opener: str) -> Path:
    """The real program, but for what it opens an image with."""
    path = tmp_path / "main.py"
    path.write_text(
        textwrap.dedent(f"""
            import importlib.util, sys, time
            spec = importlib.util.spec_from_file_location("apart_main", {str(MAIN)!r})
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            import ctypes, os, signal, socket
            def opener(file):
                {opener}
            module._OPENERS["HEIF"] = lambda: opener
            module.main()
        """)
    )
    return path


SPIN = "while True: pass"
SLEEP = "time.sleep(600)"
CRASH = "ctypes.string_at(0)"
ABORT = "os.abort()"


@pytest.mark.parametrize(
    ("opener", "why"),
    [
        (SPIN, "takes too long to decode"),
        (CRASH, "SIGSEGV"),
        (ABORT, "SIGABRT"),
        ("socket.socket()", "Too many open files"),
        ("open('/etc/hostname')", "Too many open files"),
        ("os.write(os.memfd_create('x'), bytes(10))", "Too many open files"),
        ("os.fork(); raise ValueError(len(os.environ))", "|".join("0123")),
    ],
)
def test_a_process_that_goes_wrong_costs_its_image(tmp_path: Path, opener: str, why: str) -> None:
    with pytest.raises(InvalidImage, match=why):
        decode(b"", "HEIF", 100, limits=Limits(1, 500_000_000), main=program(tmp_path, opener))


def test_a_process_that_sleeps_is_ended_by_the_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.images.apart.CLOCK", 1)

    with pytest.raises(InvalidImage, match="takes too long to decode"):
        decode(b"", "HEIF", 100, limits=Limits(2, 500_000_000), main=program(tmp_path, SLEEP))


@pytest.mark.parametrize("opener", ["os.kill(os.getpid(), signal.SIGKILL)", "os.kill(os.getpid(), signal.SIGTERM)"])
def test_a_process_that_somebody_else_ends_says_nothing_of_its_image(tmp_path: Path, opener: str) -> None:
    with pytest.raises(TransientError, match="was ended by SIG"):
        decode(b"", "HEIF", 100, main=program(tmp_path, opener))


def test_a_decoder_that_is_not_installed_is_a_fault_of_the_installation(tmp_path: Path) -> None:
    path = program(tmp_path, "pass")
    path.write_text(path.read_text().replace("lambda: opener", "lambda: importlib.import_module('no_such_package')"))

    with pytest.raises(ConfigurationError, match="no_such_package"):
        decode(b"", "HEIF", 100, main=path)


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "no JSON",
        "[]",
        '{"mode": "RGB"}',
        '{"surprise": 1}',
        '{"mode": "RGB", "size": [-10, -10], "whole": [10, 10]}',
        '{"mode": "RGB", "size": [1000000, 1000000], "whole": [10, 10]}',
        '{"mode": "RGB", "size": [10, 10], "whole": [1000000, 10]}',
        '{"mode": "RGB", "size": ["a", null], "whole": [10, 10]}',
        '{"mode": "RGB", "size": [10, 10], "whole": [10, 10], "shrunk": 1}',
    ],
)
def test_an_answer_that_makes_no_sense_is_not_believed(tmp_path: Path, answer: str) -> None:
    program = tmp_path / "main.py"
    program.write_text(f"print({answer!r})")

    with pytest.raises(TransientError, match="broke off"):
        decode(b"", "HEIF", 100, main=program)


def test_a_large_file_that_nobody_reads_does_not_hold_the_caller(tmp_path: Path) -> None:
    program = tmp_path / "main.py"
    program.write_text("import os; os.abort()")

    with pytest.raises(InvalidImage, match="SIGABRT"):
        decode(bytes(10_000_000), "HEIF", 100, main=program)


def test_a_process_that_answers_without_end_is_not_listened_to(tmp_path: Path) -> None:
    program = tmp_path / "main.py"
    answer = '{"mode": "RGB", "size": [10, 10], "whole": [10, 10], "shrunk": 1}'
    program.write_text(f"print('{answer}')\nwhile True: print('x' * 1000)")

    assert decode(b"", "HEIF", 100, main=program).image.tobytes() == b"x" * 300
