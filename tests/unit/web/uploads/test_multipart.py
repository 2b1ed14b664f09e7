"""Multipart bodies, cut into pieces at every place."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.exceptions import UnsupportedMediaType

from web.uploads.multipart import BrokenUpload, Part, parts

TYPE = "multipart/form-data; boundary=limit"
FILES = frozenset({"files"})


class Trickle(io.RawIOBase):
    """A body that comes a few bytes at a time, as from a slow network."""

    def __init__(self, data: bytes, size: int) -> None:
        self._data, self._size = io.BytesIO(data), size

    def read(self, size: int = -1) -> bytes:
        return self._data.read(self._size)


def body(*files: tuple[str, bytes], field: str = "files") -> bytes:
    head = b'--limit\r\nContent-Disposition: form-data; name="%s"; filename="%s"\r\n\r\n%s\r\n'
    return b"".join(head % (field.encode(), name.encode(), data) for name, data in files) + b"--limit--\r\n"


def read(data: bytes, size: int = 65536, max_bytes: int = 10_000) -> list[tuple[Part, bytes]]:
    found = []
    for part in parts(Trickle(data, size), TYPE, fields=FILES, max_bytes=max_bytes):  # type: ignore[arg-type]
        with part.body:
            found.append((part, part.body.read()))
    return found


@given(
    st.lists(st.binary(max_size=300).map(lambda data: data.replace(b"--limit", b"")), max_size=5),
    st.integers(1, 400),
)
def test_the_same_files_come_out_wherever_the_network_cuts_the_body(contents: list[bytes], size: int) -> None:
    found = read(body(*((f"{n}.jpg", data) for n, data in enumerate(contents))), size)
    assert [(part.filename, data) for part, data in found] == [(f"{n}.jpg", data) for n, data in enumerate(contents)]


def test_a_file_that_looks_like_a_boundary_but_is_none_is_kept_whole() -> None:
    data = b"\r\n--limi\r\n-\r\n--lim\r\n--\r\n\r\n--"
    assert [data for _, data in read(body(("a", data)), size=3)] == [data]


def test_a_file_over_the_limit_is_marked_and_the_next_is_whole() -> None:
    (large, kept), (small, data) = read(body(("large.jpg", b"x" * 5001), ("small.jpg", b"y" * 5000)), max_bytes=5000)
    assert large.too_large
    assert (large.size, kept) == (5001, b"")
    assert not small.too_large
    assert data == b"y" * 5000


@pytest.mark.parametrize(
    ("sent", "meant"),
    [
        ("caf%C3%A9.jpg", "caf%C3%A9.jpg"),
        ("café 照片.jpg", "café 照片.jpg"),
        ("x%22><script>.jpg", 'x"><script>.jpg'),
        ("../../etc/passwd", "../../etc/passwd"),
    ],
)
def test_a_name_arrives_as_a_browser_means_it(sent: str, meant: str) -> None:
    ((part, _),) = read(body((sent, b"")))
    assert part.filename == meant


def test_a_name_that_is_no_utf_8_costs_its_neighbours_nothing() -> None:
    data = body(("a.jpg", b"1"), ("NAME", b"2"), ("c.jpg", b"3")).replace(b"NAME", b"caf\xe9.jpg")
    assert [(part.filename, content) for part, content in read(data)] == [
        ("a.jpg", b"1"),
        ("caf\ufffd.jpg", b"2"),
        ("c.jpg", b"3"),
    ]


def test_files_of_other_fields_and_plain_fields_are_passed_over() -> None:
    field = b'--limit\r\nContent-Disposition: form-data; name="files"\r\n\r\ntext\r\n'
    data = field + body(("other.jpg", b"x"), field="picture").replace(b"--limit--\r\n", b"") + body(("a.jpg", b"1"))
    assert [part.filename for part, _ in read(data)] == ["a.jpg"]


@pytest.mark.parametrize("end", [10, 80, 120, -12, -5])
def test_a_body_that_ends_early_is_said_to_be_broken(end: int) -> None:
    with pytest.raises(BrokenUpload, match="cut short"):
        read(body(("a.jpg", b"1" * 100), ("b.jpg", b"2" * 100))[:end])


def test_headers_without_an_end_are_refused_and_not_gathered_for_ever() -> None:
    with pytest.raises(BrokenUpload):
        read(b"--limit\r\nContent-Disposition: form-data; " + b"x" * 1_000_000)


def test_a_body_that_is_no_form_is_refused_with_what_to_do() -> None:
    with pytest.raises(UnsupportedMediaType, match="multipart/form-data"):
        list(parts(io.BytesIO(b"{}"), "application/json", fields=FILES, max_bytes=1))
