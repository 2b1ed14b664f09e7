"""A multipart body as it arrives: a part at a time, each spooled to a bounded temporary file; never the whole body.

Our own reader of RFC 7578, because what passes for one elsewhere holds the whole body, or one bad name against all.
Names are read as browsers write them (WHATWG HTML, multipart/form-data encoding algorithm).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from tempfile import SpooledTemporaryFile
from typing import BinaryIO, cast
from urllib.parse import unquote

from werkzeug.exceptions import BadRequest, RequestTimeout, UnsupportedMediaType
from werkzeug.http import parse_options_header

from web.http.bodies import READ_BYTES
from web.http.gunicorn_internals import BAD_CHUNKS

# A part smaller than this never touches the disk.
MEMORY_BYTES = 512 * 1024
HEADERS_BYTES = 16 * 1024
# What may come before the first part; nobody sends any, but RFC 2046 allows it.
PREAMBLE_BYTES = 64 * 1024
# Blanks that may stand between a boundary and its line's end.
_PADDING = 64

_LINE, _BLANK_LINE = b"\r\n", b"\r\n\r\n"
_FOLD = re.compile(r"\r\n[ \t]+")
_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
# A quoted value ends at the quote that another parameter or nothing follows: some clients leave quotes in it.
_PARAMETER = re.compile(
    rf""";\s*({_TOKEN})\s*=\s*(?:"(.*?)(?:"(?=\s*;\s*{_TOKEN}\s*=|(?:\s*;)?\s*\Z)|\Z)|([^;"]*))""", re.DOTALL
)
_EXTENDED = re.compile(r"(utf-8|iso-8859-1|us-ascii)'[^']*'(.*)", re.IGNORECASE | re.DOTALL)
# What browsers write for what would end the value or its line.
_ESCAPED = {"%22": '"', "%0D": "\r", "%0A": "\n"}
_CUT_SHORT = "the upload was cut short; send it again"


@dataclass(slots=True)
class Part:
    """One file of a multipart body; whoever takes it closes ``body``.

    Attributes:
        field: the form field's name.
        filename: as the client sent it, with folders perhaps, not to be trusted; empty if it sent none.
        body: the content, rewound; empty when it is above the limit.
        size: bytes that arrived.
        digest: SHA-256 of all that arrived, in hex; processors have instructions for it, and none for MD5.
        too_large: whether ``size`` is above the limit.
        refusal: why it is not to be taken, whatever it is; empty if nothing is against it.
    """

    field: str
    filename: str
    body: BinaryIO
    size: int = 0
    digest: str = ""
    too_large: bool = False
    refusal: str = ""


class BrokenUpload(BadRequest):
    """The body ended in the middle, or is no multipart body."""


def parts(stream: BinaryIO, content_type: str, *, fields: frozenset[str], max_bytes: int) -> Iterator[Part]:
    """Yield the files of a multipart body in their order, each of them; fields that hold no file are read and dropped.

    Args:
        stream: the request's body.
        content_type: the request's header, with the boundary.
        fields: the form fields that are meant for files: what is in them is one, though it have no file name.
        max_bytes: the largest file kept; a larger one is read and dropped.

    Raises:
        UnsupportedMediaType: the body is not multipart/form-data.
        BrokenUpload: the body does not parse or ends early.
        RequestTimeout: the client has stopped sending.
    """
    body = _Body(stream, _boundary(content_type))
    body.begin()
    while (headers := body.headers()) is not None:
        field, filename = _named(headers)
        if field in fields or filename is not None:
            yield spooled(field, filename or "", body.content(), max_bytes)
        else:
            for _ in body.content():
                pass


def spooled(field: str, filename: str, data: Iterator[bytes], max_bytes: int) -> Part:
    """Return a file that comes as ``data``, in a bounded temporary file; the arguments are those of `parts`."""
    part = Part(field, filename, cast(BinaryIO, SpooledTemporaryFile(MEMORY_BYTES)))  # noqa: SIM115  its taker closes it
    digest = hashlib.sha256()
    try:
        for piece in data:
            digest.update(piece)
            part.size += len(piece)
            if part.size <= max_bytes:
                part.body.write(piece)
    except BaseException:
        part.body.close()
        raise
    part.digest = digest.hexdigest()
    part.too_large = part.size > max_bytes
    part.body.seek(0)
    if part.too_large:
        part.body.truncate()
    return part


def _boundary(content_type: str) -> bytes:
    kind, options = parse_options_header(content_type)
    if kind.lower() != "multipart/form-data":
        raise UnsupportedMediaType("send the files as multipart/form-data")
    if not options.get("boundary"):
        raise BrokenUpload("the Content-Type names no boundary; let your HTTP library set that header")
    return options["boundary"].encode("latin-1", "replace")


def _named(headers: bytes) -> tuple[str, str | None]:
    """Return a part's field and file name. A name that is no UTF-8 is shown as it can be, and costs no other part."""
    for line in _FOLD.sub(" ", headers.decode("utf-8", "replace")).split("\r\n"):
        name, _, value = line.partition(":")
        if name.strip().lower() == "content-disposition":
            found = {name.lower(): (quoted, plain) for name, quoted, plain in _PARAMETER.findall(value)}
            field, filename = (_meant(*found[name]) if name in found else None for name in ("name", "filename"))
            return field or "", _extended(*found.get("filename*", ("", ""))) or filename
    return "", None


def _meant(quoted: str, plain: str) -> str:
    """Return the name that a parameter stands for; a quote in it shows another rule than browsers': backslashes."""
    if '"' in quoted:
        return re.sub(r"\\(.)", r"\1", quoted, flags=re.DOTALL)
    return re.sub("%22|%0D|%0A", lambda found: _ESCAPED[found[0]], quoted or plain.strip())


def _extended(quoted: str, plain: str) -> str | None:
    """Return the name that ``filename*`` stands for (RFC 5987), which older libraries send; None if it is no such."""
    found = _EXTENDED.fullmatch(quoted or plain.strip())
    return unquote(found[2], found[1], "replace") if found else None


class _Body:
    """The bytes of a body, between one delimiter and the next; holds a read's worth of them."""

    def __init__(self, stream: BinaryIO, boundary: bytes) -> None:
        self._stream, self._boundary = stream, boundary
        self._delimiter = re.compile(_LINE + b"--" + re.escape(boundary) + rb"(?:--|[ \t]{0,%d}\r\n)" % _PADDING)
        self._longest = len(boundary) + 4 + _PADDING + 2
        self._ended = False
        # The first delimiter may stand at the very beginning, without the line break that belongs to it.
        self._buffer = bytearray(_LINE)

    def begin(self) -> None:
        """Pass over everything up to the first delimiter and it."""
        while not self._pass_delimiter():
            if len(self._buffer) > PREAMBLE_BYTES or not self._more():
                raise BrokenUpload(_no_beginning(bytes(self._buffer[len(_LINE) :]), self._boundary))

    def content(self) -> Iterator[bytes]:
        """Yield what comes before the next delimiter, and pass over that."""
        while not (found := self._delimiter.search(self._buffer)):
            # The end of what is here may be the delimiter's beginning.
            sure = len(self._buffer) - self._longest + 1
            if sure > 0:
                yield self._take(sure)
            self._need_more()
        if found.start():
            yield self._take(found.start())
        self._pass_delimiter()

    def headers(self) -> bytes | None:
        """Return a part's headers, from right behind its delimiter; None behind the last one."""
        if self._ended:
            return None
        # As if the delimiter's own line break were there still: a part may have no headers at all.
        self._buffer[:0] = _LINE
        while (at := self._buffer.find(_BLANK_LINE, 0, HEADERS_BYTES)) < 0:
            if len(self._buffer) > HEADERS_BYTES:
                raise BrokenUpload(f"a part of the upload has more than {HEADERS_BYTES} bytes of headers")
            self._need_more()
        found = self._take(at)
        self._take(len(_BLANK_LINE))
        if self._delimiter.search(found + _LINE):
            raise BrokenUpload("a part of the upload has no empty line behind its headers")
        return found.removeprefix(_LINE)

    def _pass_delimiter(self) -> bool:
        """Drop everything up to the next delimiter and it, if it is here."""
        found = self._delimiter.search(self._buffer)
        if found:
            self._ended = found[0].endswith(b"--")
            self._take(found.end())
        return found is not None

    def _take(self, size: int) -> bytes:
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        return taken

    def _need_more(self) -> None:
        if not self._more():
            raise BrokenUpload(_CUT_SHORT)

    def _more(self) -> bool:
        try:
            data = self._stream.read(READ_BYTES)
        except TimeoutError as err:
            raise RequestTimeout("the upload stood still for too long; send it again") from err
        except BAD_CHUNKS as err:
            raise BrokenUpload(
                f"the body is not chunked as HTTP has it ({err}); send it anew, or with a Content-Length"
            ) from err
        except OSError as err:
            raise BrokenUpload(_CUT_SHORT) from err
        self._buffer += data
        return bool(data)


def _no_beginning(start: bytes, boundary: bytes) -> str:
    """Say why a body that begins with ``start`` has no part."""
    first = b"--" + boundary
    if not start:
        return "no file was sent: the body is empty"
    if (first + _LINE).startswith(start):
        return _CUT_SHORT
    if start.startswith(first + b"\n"):
        return "the body's lines end in LF alone; multipart/form-data has them end in CR LF"
    told = f"the Content-Type says that the boundary is {_shown(boundary)}"
    if start.startswith(b"--"):
        sent = start[2:].partition(b"\n")[0].rstrip(b"\r")
        return f"{told}, but the body's is {_shown(sent)}; let your HTTP library set that header"
    return f"{told}, which does not occur in the body; send multipart/form-data, uncompressed"


def _shown(boundary: bytes) -> str:
    return repr(boundary[:80].decode("latin-1"))
