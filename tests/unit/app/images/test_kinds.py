from __future__ import annotations

import gzip

import pytest

from app.images.kinds import TAKEN, unknown

SVG = '<svg xmlns="http://www.w3.org/2000/svg"/>'
DOCTYPE = '<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "svg11.dtd" [<!ENTITY a "b">]>'


@pytest.mark.parametrize(
    ("start", "what"),
    [
        (b"\xff\x0a\xfa\x1f", "a JPEG XL image"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "a JPEG XL image"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "a JPEG 2000 image"),
        (b"\xff\x4f\xff\x51\0", "a JPEG 2000 image"),
        (b"8BPS\0\x01", "a Photoshop document"),
        (b"\0\0\0\x18ftyphevc", "a HEIC sequence of pictures"),
        (b"\0\0\0\x18ftypmsf1", "a HEIC sequence of pictures"),
        (b"\0\0\0\x18ftypavis", "an AVIF sequence of pictures"),
        (b"\0\0\1\0\1\0", "an icon"),
        (b"%PDF-1.7", "a PDF document"),
        (b"\n\n%PDF-1.4", "a PDF document"),
        (b"%!PS-Adobe-3.0 EPSF-3.0", "a PostScript drawing"),
        (b"II\xbc\x01", "a JPEG XR image"),
        (bytes(128) + b"DICM", "a DICOM image"),
        (b"P6\n3 2\n255\n", "a PNM image"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "a document"),
        (b"<!DOCTYPE html>", "a web page"),
        (b"\xef\xbb\xbf<html lang=en>", "a web page"),
        (b'<?xml version="1.0"?>\n<html xmlns="http://www.w3.org/1999/xhtml">', "a web page"),
        (SVG.encode(), "an SVG drawing"),
        (b"\n " + SVG.encode(), "an SVG drawing"),
        (b"\xef\xbb\xbf" + SVG.encode(), "an SVG drawing"),
        (SVG.encode("utf-16"), "an SVG drawing"),
        (f'<?xml version="1.0"?><!-- made <svg> by hand -->\n{DOCTYPE}{SVG}'.encode(), "an SVG drawing"),
        (b'<svg:svg xmlns:svg="http://www.w3.org/2000/svg"/>', "an SVG drawing"),
        (gzip.compress(SVG.encode()), "an SVG drawing"),
    ],
)
def test_what_people_hand_in_by_mistake_is_named_to_them(start: bytes, what: str) -> None:
    assert unknown(start) == f"this is {what}; convert it to {TAKEN}"


@pytest.mark.parametrize(
    "start",
    [
        b"\0\0\0\x18ftypcrx ",
        b"FUJIFILMCCD-RAW 0201",
        b"IIRO\x08\0\0\0",
        b"IIRS\x08\0\0\0",
        b"MMOR\0\0\0\x08",
        b"IIU\0\x18\0\0\0",
        b"II\x1a\0\0\0HEAPCCDR",
        b"\0MRM",
        b"FOVb",
    ],
)
def test_cameras_raw_photographs_are_named_by_their_marks(start: bytes) -> None:
    assert unknown(start) == f"this is a camera's RAW photograph; export it as {TAKEN}"


@pytest.mark.parametrize(
    "start",
    [b"\0\0\0\x20ftypisom", b"\0\0\0\x14ftypqt  ", b"\0\0\0\x08wide", b"\x1aE\xdf\xa3", b"RIFF\0\0\0\0AVI LIST"],
)
def test_videos_are_named(start: bytes) -> None:
    assert unknown(start) == f"this is a video; take a picture of it, {TAKEN}"


@pytest.mark.parametrize(
    ("start", "what"),
    [
        (b"PK\3\4\x14", "a ZIP archive"),
        (b"PK\5\6" + bytes(18), "a ZIP archive"),
        (gzip.compress(b"cats"), "an archive"),
        (b"\x1f\x8bcats", "an archive"),
        (b"Rar!\x1a\7", "an archive"),
    ],
)
def test_archives_are_to_be_unpacked(start: bytes, what: str) -> None:
    assert unknown(start) == f"this is {what}; unpack it; {TAKEN}"


@pytest.mark.parametrize("start", [b"hello", b"<note>", b"<", b"\xff\xfe<", bytes(4096), b"<!--" * 1_000])
def test_what_nobody_knows_is_told_what_is_taken(start: bytes) -> None:
    assert unknown(start) == f"this is not an image; {TAKEN} is taken"


def test_a_drawing_that_inflates_to_a_gigabyte_is_looked_at_no_further_than_its_beginning() -> None:
    bomb = gzip.compress(b"<svg>" + b" " * 50_000_000)

    assert "an SVG drawing" in unknown(bomb[:4096])
