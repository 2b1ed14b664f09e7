from __future__ import annotations

import io
import json
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.errors import InvalidImage
from app.images.header import judge
from tests.support import hostile, jpegs

ROOT = Path(__file__).parents[4]
MAX_PIXELS = 100_000_000

# Judges eight of each file at once, with little more memory than the process has anyway, and says what became of them.
JUDGE_UNDER_A_LIMIT = """
import json, resource, sys, threading
from concurrent.futures import ThreadPoolExecutor
from app.errors import InvalidImage
from app.images.header import judge

def outcome(path):
    with open(path, "rb") as file:
        try:
            return str(judge(file, max_pixels=100_000_000).pixels)
        except InvalidImage as err:
            return "refused: " + str(err)

with ThreadPoolExecutor(8) as pool:
    all_at_once = threading.Barrier(8)
    list(pool.map(lambda path: (all_at_once.wait(), outcome(path)), [sys.argv[1]] * 8))
    held = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (held + 32_000_000, held + 32_000_000))
    found = [list(pool.map(outcome, [path] * 8)) for path in sys.argv[2:]]
print(json.dumps(found))
"""


SMALL = [
    jpegs.photograph((60, 40)),
    jpegs.photograph((60, 40), progressive=True, restart_marker_blocks=2),
    jpegs.in_scans_of_one_channel(),
    *(jpegs.saved(format, (60, 40), mode, frames=2) for format, mode in (("GIF", "P"), ("WEBP", "RGB"), ("PNG", "P"))),
    *(jpegs.saved(format, (60, 40)) for format in ("PNG", "BMP", "TIFF", "WEBP")),
    hostile.bmp(60, 40, b"\xff\x01" * 60, depth=8, compression=1),
    hostile.heif((640, 480), kind="grid", tiles=6),
]


@settings(max_examples=1_000)
@given(
    content=st.sampled_from(SMALL),
    changes=st.lists(st.tuples(st.integers(0, 3_000), st.integers(0, 255)), max_size=8),
    end=st.just(100_000) | st.integers(0, 4_000),
)
def test_no_damage_of_any_format_raises_anything_but_invalid_image(
    content: bytes, changes: list[tuple[int, int]], end: int
) -> None:
    damaged = bytearray(content[:end])
    for place, value in changes:
        if place < len(damaged):
            damaged[place] = value
    with suppress(InvalidImage):
        assert 0 < judge(io.BytesIO(damaged), max_pixels=MAX_PIXELS).pixels <= MAX_PIXELS


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"])
def test_each_format_has_its_reader(format: str) -> None:
    found = judge(io.BytesIO(jpegs.saved(format)), max_pixels=MAX_PIXELS)

    assert (found.format, found.width, found.height, found.pixels) == (format, 30, 20, 600)


@pytest.mark.parametrize("name", hostile.FILES)
def test_what_claims_much_is_refused_by_its_structure(name: str) -> None:
    with pytest.raises(InvalidImage):
        judge(io.BytesIO(hostile.FILES[name]()), max_pixels=MAX_PIXELS)


@pytest.mark.skipif(sys.platform != "linux", reason="macOS keeps no limit of a process's memory")
def test_eight_of_any_hostile_file_at_once_are_judged_in_32_megabytes(tmp_path: Path) -> None:
    paths = []
    for number, make in enumerate([jpegs.photograph, *hostile.FILES.values()]):
        paths.append(tmp_path / str(number))
        paths[-1].write_bytes(make())

    command = [sys.executable, "-c", JUDGE_UNDER_A_LIMIT, *map(str, paths)]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)

    assert told.returncode == 0, told.stderr
    outcomes = json.loads(told.stdout)
    assert len(outcomes) == len(hostile.FILES)
    assert all(outcome.startswith("refused: ") for each in outcomes for outcome in each)


def test_more_pixels_than_are_taken_are_said_before_data_that_is_missing() -> None:
    with pytest.raises(InvalidImage, match=r"4295 megapixels \(65535 x 65535\); at most 100 are taken"):
        judge(io.BytesIO(hostile.gif(65_535, 65_535)), max_pixels=MAX_PIXELS)
    with pytest.raises(InvalidImage, match=r"damaged or cut short \(6 bytes for 9000 x 9000 pixels\)"):
        judge(io.BytesIO(hostile.gif(9_000, 9_000)), max_pixels=MAX_PIXELS)
