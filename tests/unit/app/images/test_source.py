from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import InvalidImage
from app.images.source import Pair, Source

PAIR = Pair(b"\x00\xff")


class Counted(io.BytesIO):
    """Remembers the largest part that was asked for."""

    largest = 0

    def read(self, size: int | None = -1, /) -> bytes:
        assert size is not None
        assert size >= 0, "all of the file was asked for"
        self.largest = max(self.largest, size)
        return super().read(size)


@pytest.mark.parametrize("at", [0, 1, 16_383, 99_990])
def test_any_part_is_read_by_its_offset(at: int) -> None:
    data = bytes(number % 251 for number in range(100_000))

    assert Source(io.BytesIO(data)).read(at, 10) == data[at : at + 10]


@pytest.mark.parametrize(("at", "count"), [(95, 6), (-1, 2), (200, 1), (0, 1 << 40)])
def test_what_lies_beyond_the_file_is_said_to_be_missing(at: int, count: int) -> None:
    with pytest.raises(InvalidImage, match="damaged or cut short"):
        Source(io.BytesIO(bytes(100))).read(at, count)


def test_a_search_holds_a_block_of_the_file_and_never_all_of_it() -> None:
    stream = Counted(bytes(10_000_000) + b"\xff\xd9")

    assert Source(stream).find(PAIR, 0) == 10_000_000
    assert stream.largest <= 256 * 1024


@given(at=st.sampled_from([0, 1, 16_382, 16_383, 16_384, 278_526, 278_527, 278_528, 500_000]), start=st.integers(0, 3))
def test_a_pair_is_found_wherever_blocks_meet(at: int, start: int) -> None:
    data = bytearray(600_000)
    data[at + start : at + start + 2] = b"\xff\xd9"

    assert Source(io.BytesIO(data)).find(PAIR, start) == at + start
    assert Source(io.BytesIO(bytes(300_000))).find(PAIR, start) is None


@given(others=st.binary(max_size=3), data=st.binary(max_size=40).map(lambda data: data.replace(b"a", b"\xff")))
def test_a_block_full_of_marks_is_searched_as_any_other(others: bytes, data: bytes) -> None:
    pair = Pair(others + b"\xff")
    places = [at for at in range(len(data) - 1) if data[at] == 0xFF and data[at + 1] not in others + b"\xff"]

    assert pair.search(data) == (places[0] if places else -1)
    assert pair.search(bytes(1_000) + data) == (places[0] + 1_000 if places else -1)
