"""The formats that we take, and the words for what we don't."""

from __future__ import annotations

import re
import zlib

# The formats that we take, by Pillow's names; HEIC is what it calls HEIF, too.
# MPO is a JPEG with more pictures behind the first; the first is taken.
CONTENT_TYPES = {
    "JPEG": "image/jpeg",
    "MPO": "image/jpeg",
    "PNG": "image/png",
    "WEBP": "image/webp",
    "GIF": "image/gif",
    "BMP": "image/bmp",
    "TIFF": "image/tiff",
    "HEIC": "image/heic",
    "HEIF": "image/heif",
    "AVIF": "image/avif",
}
TAKEN = "JPEG, PNG, WebP, GIF, BMP, TIFF, HEIC or AVIF"

_RAW, _VIDEO, _JXL, _JP2 = "a camera's RAW photograph", "a video", "a JPEG XL image", "a JPEG 2000 image"
_ZIP, _ARCHIVE = "a ZIP archive", "an archive"
# What to do with what can't be converted.
_ADVICE = {_RAW: "export it as", _VIDEO: "take a picture of it,", _ZIP: "unpack it;", _ARCHIVE: "unpack it;"}
# Beginnings of what people hand in by mistake, to name it to them; a dot stands for any byte.
_OTHERS = {
    rb"\xff\x0a": _JXL,
    rb"\x00\x00\x00\x0cJXL \r\n\x87\n": _JXL,
    rb"\x00\x00\x00\x0cjP  \r\n\x87\n": _JP2,
    rb"\xff\x4f\xff\x51": _JP2,
    rb"8BPS": "a Photoshop document",
    rb"gimp xcf": "a GIMP document",
    rb"....ftypcrx ": _RAW,
    rb"FUJIFILMCCD-RAW|II(RO|RS)|MMOR|IIU\x00|II\x1a\x00\x00\x00HEAPCCDR|\x00MRM|FOVb": _RAW,
    rb"....ftyp(hevc|hevx|hevm|hevs|msf1)": "a HEIC sequence of pictures",
    rb"....ftypavis": "an AVIF sequence of pictures",
    rb"....(ftyp|moov|mdat|wide|free)|\x1aE\xdf\xa3|RIFF....AVI |FLV\x01|\x00\x00\x01[\xb3\xba]|OggS": _VIDEO,
    rb"\x00\x00\x01\x00": "an icon",
    rb"\x00\x00\x02\x00": "a cursor",
    rb"icns": "an icon",
    rb"II\xbc\x01": "a JPEG XR image",
    rb"%!PS|\xc5\xd0\xd3\xc6": "a PostScript drawing",
    rb"(.{0,1000})%PDF-": "a PDF document",
    rb"PK(\x03\x04|\x05\x06)": _ZIP,
    rb"Rar!|7z\xbc\xaf\x27\x1c|\x1f\x8b|BZh|\xfd7zXZ": _ARCHIVE,
    rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": "a document",
    rb".{128}DICM": "a DICOM image",
    rb"P[1-7]\s": "a PNM image",
    rb"v/1\x01|#\?RADIANCE": "an HDR image",
}
_MARKS = [(re.compile(mark, re.DOTALL), what) for mark, what in _OTHERS.items()]
# What may stand before the first element of a page or a drawing, each bounded by what is looked at.
_PROLOG = re.compile(r"(\s|<\?.*?\?>|<!--.*?-->|<!DOCTYPE\s+svg[^>\[]*(\[.*?\]\s*)?>)*", re.DOTALL | re.IGNORECASE)
_SVG = re.compile(r"<(\w+:)?svg[\s>]", re.IGNORECASE)
_PAGE = re.compile(r"<!doctype\s+html|<(html|head|body)[\s>]", re.IGNORECASE)


def unknown(start: bytes) -> str:
    """Return why a file that begins with ``start`` is no image that we take, and what its owner can do."""
    what = (
        _markup(start) or _markup(_inflated(start)) or next((what for mark, what in _MARKS if mark.match(start)), None)
    )
    if what is None:
        return f"this is not an image; {TAKEN} is taken"
    return f"this is {what}; {_ADVICE.get(what, 'convert it to')} {TAKEN}"


def _markup(start: bytes) -> str | None:
    """Return what a text in angle brackets is, or None."""
    encoding = "utf-16" if start[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    text = start.decode(encoding, "replace")
    if not text.lstrip().startswith("<"):
        return None
    prolog = _PROLOG.match(text)
    rest = text[prolog.end() if prolog else 0 :]
    if _SVG.match(rest):
        return "an SVG drawing"
    return "a web page" if _PAGE.match(rest) else None


def _inflated(start: bytes) -> bytes:
    """Return the beginning of what is compressed, as drawings are at times; nothing where nothing is."""
    if start[:2] != b"\x1f\x8b":
        return b""
    try:
        return zlib.decompressobj(31).decompress(start, 4096)
    except zlib.error:
        return b""
