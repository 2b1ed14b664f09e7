"""Multipart bodies, cut into pieces at every place."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest
import requests
import urllib3
from hypothesis import given, settings
from hypothesis import strategies as st
from werkzeug.exceptions import UnsupportedMediaType

from web.uploads.multipart import BrokenUpload, Part, parts

TYPE = "multipart/form-data; boundary=limit"
FILES = frozenset({"files"})
# Whatever a name may hold, but what browsers write for other characters: nobody can tell those apart.
NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=40).filter(
    lambda name: not {"%22", "%0D", "%0A"} & {name[at : at + 3] for at in range(len(name))}
)


class Trickle(io.RawIOBase):
    """A body that comes a few bytes at a time, as from a slow network."""

    def __init__(self, data: bytes, size: int) -> None:
        self._data, self._size = io.BytesIO(data), size

    def read(self, size: int = -1) -> bytes:
        return self._data.read(self._size)


def body(*files: tuple[str, bytes], field: str = "files") -> bytes:
    head = b'--limit\r\nContent-Disposition: form-data; name="%s"; filename="%s"\r\n\r\n%s\r\n'
    return b"".join(head % (field.encode(), name.encode(), data) for name, data in files) + b"--limit--\r\n"


def by_a_browser(files: list[tuple[str, bytes]]) -> tuple[bytes, str]:
    """Encode as the WHATWG says."""
    names = [name.replace("\r", "%0D").replace("\n", "%0A").replace('"', "%22") for name, _ in files]
    head = '--%s\r\nContent-Disposition: form-data; name="files"; filename="%s"\r\nContent-Type: image/png\r\n\r\n'
    boundary = "----WebKitFormBoundaryxr9cYkmQWTBJvLWu"
    found = [(head % (boundary, name)).encode() + data + b"\r\n" for name, (_, data) in zip(names, files, strict=True)]
    return b"".join(found) + f"--{boundary}--\r\n".encode(), f"multipart/form-data; boundary={boundary}"


def by_urllib3(files: list[tuple[str, bytes]]) -> tuple[bytes, str]:
    return urllib3.encode_multipart_formdata([("files", file) for file in files])


def by_requests(files: list[tuple[str, bytes]]) -> tuple[bytes, str]:
    sent = requests.Request("POST", "http://x/", files=[("files", file) for file in files]).prepare()
    assert isinstance(sent.body, bytes)
    return sent.body, sent.headers["Content-Type"]


def read(data: bytes, size: int = 65536, max_bytes: int = 10_000, content_type: str = TYPE) -> list[tuple[Part, bytes]]:
    found = []
    for part in parts(Trickle(data, size), content_type, fields=FILES, max_bytes=max_bytes):  # type: ignore[arg-type]
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
        ("C:\\photos\\new\\1.jpg", "C:\\photos\\new\\1.jpg"),
        ("ends in one\\", "ends in one\\"),
        ("a%0D%0Ab.jpg", "a\r\nb.jpg"),
        ("100%.jpg; x=y", "100%.jpg; x=y"),
        (" blanks ", " blanks "),
        ("", ""),
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


def test_plain_fields_are_passed_over_and_every_file_is_told_with_its_field() -> None:
    field = b'--limit\r\nContent-Disposition: form-data; name="token"\r\n\r\ntext\r\n'
    data = field + body(("other.jpg", b"x"), field="picture").replace(b"--limit--\r\n", b"") + body(("a.jpg", b"1"))
    assert [(part.field, part.filename) for part, _ in read(data)] == [("picture", "other.jpg"), ("files", "a.jpg")]


def test_what_is_in_a_field_for_files_is_one_without_a_name_too() -> None:
    data = body(("a.jpg", b"1"), ("b.jpg", b"2")).replace(b'; filename="a.jpg"', b"")
    assert [(part.filename, content) for part, content in read(data)] == [("", b"1"), ("b.jpg", b"2")]


@pytest.mark.parametrize(
    ("disposition", "meant"),
    [
        (r'form-data; name="files"; filename="a\"b.jpg"', 'a"b.jpg'),
        (r'form-data; name="files"; filename="a\"; b.jpg"', 'a"; b.jpg'),
        (r'form-data; filename="a\\b\"c.jpg"; name="files"', r'a\b"c.jpg'),
        ("form-data; name=files; filename=cat.jpg", "cat.jpg"),
        ('FORM-DATA; Name="files"; FileName="cat.jpg" ;', "cat.jpg"),
        ("form-data; name=\"files\"; filename*=UTF-8''caf%C3%A9%20%22.jpg", 'café ".jpg'),
        ('form-data; name="files"; filename*=iso-8859-1\'en\'caf%E9.jpg; filename="cafe.jpg"', "café.jpg"),
        ('form-data; name="files"; filename*=utf-7\'\'+2AA-; filename="cat.jpg"', "cat.jpg"),
        ('form-data;\r\n name="files";\r\n\tfilename="cat.jpg"', "cat.jpg"),
        ('form-data; name="files"; filename="never closed', "never closed"),
    ],
)
def test_a_name_arrives_as_other_clients_mean_it(disposition: str, meant: str) -> None:
    data = f"--limit\r\nContent-Disposition: {disposition}\r\n\r\n1\r\n--limit--\r\n"
    ((part, content),) = read(data.encode())
    assert (part.field, part.filename, content) == ("files", meant, b"1")


@settings(max_examples=1000)
@given(st.lists(st.tuples(NAMES, st.binary(max_size=200)), min_size=1, max_size=4), st.integers(1, 300))
@pytest.mark.parametrize("client", [by_a_browser, by_urllib3, by_requests])
def test_any_names_and_files_come_back_as_they_were_sent(
    client: Callable[[list[tuple[str, bytes]]], tuple[bytes, str]], sent: list[tuple[str, bytes]], size: int
) -> None:
    data, content_type = client(sent)
    assert [(part.filename, content) for part, content in read(data, size, content_type=content_type)] == sent


@settings(max_examples=5000)
@given(
    st.lists(
        st.one_of(
            st.binary(max_size=30),
            st.sampled_from(
                [b"--limit", b"--limit--", b"\r\n", b"\n", b"Content-Disposition: form-data", b'; name="files"']
            ),
            st.sampled_from(
                [b'; filename="', b"; filename*=utf-8''", b'"', b"\\", b"%22", b"\r\n\r\n", b"\r\n--limit\r\n"]
            ),
        ),
        max_size=30,
    ).map(b"".join),
    st.integers(1, 50),
)
def test_any_bytes_are_files_or_one_error_that_says_what_to_do(data: bytes, size: int) -> None:
    try:
        found = read(data, size)
    except BrokenUpload as err:
        found = []
        told = err.description
    else:
        told = "read"
    assert told
    assert sum(part.size for part, _ in found) <= len(data)


@settings(max_examples=2000)
@given(st.text(max_size=300), st.binary(max_size=100))
def test_any_content_type_is_taken_or_refused_with_what_to_do(content_type: str, data: bytes) -> None:
    try:
        read(data, content_type=content_type)
        told: str | None = "read"
    except (BrokenUpload, UnsupportedMediaType) as err:
        told = err.description
    assert told


@pytest.mark.parametrize("end", [10, 80, 120, -12, -5])
def test_a_body_that_ends_early_is_said_to_be_broken(end: int) -> None:
    with pytest.raises(BrokenUpload, match="cut short"):
        read(body(("a.jpg", b"1" * 100), ("b.jpg", b"2" * 100))[:end])


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "the body is empty"),
        (b"--lim", "cut short"),
        (body(("a.jpg", b"1")).replace(b"\r\n", b"\n"), "end in CR LF"),
        (body(("a.jpg", b"1")).replace(b"limit", b"other"), "'limit', but the body's is 'other'"),
        (b"\x1f\x8b\x08" + bytes(1000), "does not occur in the body"),
        (b"x" * 1_000_000, "does not occur in the body"),
        (body(("a.jpg", b"1")).replace(b"\r\n\r\n", b"\r\n") + b"\r\n\r\n", "no empty line behind its headers"),
    ],
    ids=["empty", "short", "LF", "another boundary", "gzip", "no form", "no blank line"],
)
def test_a_body_that_has_no_parts_says_why(data: bytes, reason: str) -> None:
    with pytest.raises(BrokenUpload) as broken:
        read(data)
    assert reason in broken.value.description


def test_a_line_that_only_begins_like_a_boundary_is_a_file_s() -> None:
    content = b"1\r\n--limited\r\n--limit -\r\n"
    assert [data for _, data in read(body(("a", content)), size=5)] == [content]


def test_blanks_behind_a_boundary_are_no_part_of_it() -> None:
    data = body(("a", b"1"), ("b", b"2")).replace(b"--limit\r\n", b"--limit \t \r\n")
    assert [content for _, content in read(data, size=3)] == [b"1", b"2"]


def test_headers_without_an_end_are_refused_and_not_gathered_for_ever() -> None:
    with pytest.raises(BrokenUpload):
        read(b"--limit\r\nContent-Disposition: form-data; " + b"x" * 1_000_000)


def test_a_body_that_is_no_form_is_refused_with_what_to_do() -> None:
    with pytest.raises(UnsupportedMediaType, match="multipart/form-data"):
        list(parts(io.BytesIO(b"{}"), "application/json", fields=FILES, max_bytes=1))


@pytest.mark.parametrize(
    "content_type", ["Multipart/Form-Data; Boundary=limit", 'multipart/form-data; boundary="limit"']
)
def test_a_type_is_taken_however_it_is_written(content_type: str) -> None:
    assert [part.filename for part, _ in read(body(("a.jpg", b"1")), content_type=content_type)] == ["a.jpg"]


def test_a_form_without_a_boundary_is_told_who_sets_it() -> None:
    with pytest.raises(BrokenUpload, match="let your HTTP library set"):
        read(body(("a.jpg", b"1")), content_type="multipart/form-data")
