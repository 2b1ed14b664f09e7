"""A multipart body as it arrives: a part at a time, each spooled to a bounded temporary file; never the whole body.

Our own reader of RFC 7578, because what passes for one elsewhere holds the whole body, or one bad name against all.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from tempfile import SpooledTemporaryFile
from typing import BinaryIO, cast

from werkzeug.exceptions import BadRequest, RequestTimeout, UnsupportedMediaType
from werkzeug.http import parse_options_header

READ_BYTES = 64 * 1024
# A part smaller than this never touches the disk.
MEMORY_BYTES = 512 * 1024
HEADERS_BYTES = 16 * 1024

_LINE, _BLANK_LINE = b"\r\n", b"\r\n\r\n"


@dataclass(slots=True)
class Part:
    """One file of a multipart body; whoever takes it closes ``body``.

    Attributes:
        field: the form field's name.
        filename: as the client sent it; not to be trusted.
        body: the content, rewound; empty when it is above the limit.
        size: bytes that arrived.
        md5: of all that arrived, in hex.
        too_large: whether ``size`` is above the limit.
    """

    field: str
    filename: str
    body: BinaryIO
    size: int = 0
    md5: str = ""
    too_large: bool = False


class BrokenUpload(BadRequest):
    """The body ended in the middle, or is no multipart body."""


def parts(stream: BinaryIO, content_type: str, *, fields: frozenset[str], max_bytes: int) -> Iterator[Part]:
    """Yield the files of a multipart body in their order; whatever else is in it is read and dropped.

    Args:
        stream: the request's body.
        content_type: the request's header, with the boundary.
        fields: the form fields whose files are wanted.
        max_bytes: the largest file kept; a larger one is read and dropped.

    Raises:
        UnsupportedMediaType: the body is not multipart/form-data.
        BrokenUpload: the body does not parse or ends early.
        RequestTimeout: the client has stopped sending.
    """
    kind, options = parse_options_header(content_type)
    if kind != "multipart/form-data" or not options.get("boundary"):
        raise UnsupportedMediaType("send the files as multipart/form-data")
    delimiter = _LINE + b"--" + options["boundary"].encode()
    body = _Body(stream)
    body.skip(delimiter)
    while (headers := body.headers()) is not None:
        field, filename = _named(headers)
        if field in fields and filename is not None:
            yield _spooled(field, filename, body.until(delimiter), max_bytes)
        else:
            body.skip(delimiter)


def _spooled(field: str, filename: str, data: Iterator[bytes], max_bytes: int) -> Part:
    part = Part(field, filename, cast(BinaryIO, SpooledTemporaryFile(MEMORY_BYTES)))  # noqa: SIM115  its taker closes it
    digest = hashlib.md5(usedforsecurity=False)
    try:
        for piece in data:
            digest.update(piece)
            part.size += len(piece)
            if part.size <= max_bytes:
                part.body.write(piece)
    except BaseException:
        part.body.close()
        raise
    part.md5 = digest.hexdigest()
    part.too_large = part.size > max_bytes
    part.body.seek(0)
    if part.too_large:
        part.body.truncate()
    return part


def _named(headers: bytes) -> tuple[str, str | None]:
    """Return a part's field and file name. A name that is no UTF-8 is shown as it can be, and costs no other part."""
    for line in headers.decode("utf-8", "replace").split("\r\n"):
        name, _, value = line.partition(":")
        if name.strip().lower() == "content-disposition":
            _, options = parse_options_header(value.strip())
            return options.get("name", ""), options.get("filename")
    return "", None


class _Body:
    """The bytes of a body, between one delimiter and the next; holds a read's worth of them."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        # The first delimiter may stand at the very beginning, without the line break that belongs to it.
        self._buffer = bytearray(_LINE)

    def until(self, delimiter: bytes) -> Iterator[bytes]:
        """Yield what comes before ``delimiter``, and pass over that."""
        while (at := self._buffer.find(delimiter)) < 0:
            # The end of what is here may be the delimiter's beginning.
            sure = len(self._buffer) - len(delimiter) + 1
            if sure > 0:
                yield self._take(sure)
            self._more()
        if at:
            yield self._take(at)
        self._take(len(delimiter))

    def skip(self, delimiter: bytes) -> None:
        """Pass over everything up to ``delimiter`` and it."""
        for _ in self.until(delimiter):
            pass

    def headers(self) -> bytes | None:
        """Return a part's headers, from right behind its delimiter; None behind the last one."""
        while len(self._buffer) < 2:
            self._more()
        if self._buffer.startswith(b"--"):
            return None
        found = b""
        for piece in self.until(_BLANK_LINE):
            found += piece
            if len(found) > HEADERS_BYTES:
                raise BrokenUpload(f"a part of the upload has more than {HEADERS_BYTES} bytes of headers")
        return found

    def _take(self, size: int) -> bytes:
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        return taken

    def _more(self) -> None:
        try:
            data = self._stream.read(READ_BYTES)
        except TimeoutError as err:
            raise RequestTimeout("the upload stood still for too long; send it again") from err
        except OSError as err:
            raise BrokenUpload("the upload was cut short; send it again") from err
        if not data:
            raise BrokenUpload("the upload was cut short; send it again")
        self._buffer += data
