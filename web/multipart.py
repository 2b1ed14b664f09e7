"""A multipart body as it arrives: a part at a time, each spooled to a bounded temporary file; never the whole body."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from tempfile import SpooledTemporaryFile
from typing import BinaryIO, cast

from werkzeug.datastructures import Headers
from werkzeug.exceptions import BadRequest, RequestTimeout, UnsupportedMediaType
from werkzeug.http import parse_options_header
from werkzeug.sansio.multipart import Data, Epilogue, Event, File, MultipartDecoder, NeedData

READ_BYTES = 64 * 1024
# A part smaller than this never touches the disk.
MEMORY_BYTES = 512 * 1024
# What the decoder may hold: a read's worth of data and one part's headers.
_BUFFER_BYTES = 4 * READ_BYTES


@dataclass(slots=True)
class Part:
    """One file of a multipart body; whoever takes it closes ``body``.

    Attributes:
        field: the form field's name.
        filename: as the client sent it; not to be trusted.
        body: the content, rewound; what came above the limit is not in it.
        size: bytes that arrived.
        md5: of all that arrived, in hex: what S3 calls the object's ETag.
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
        max_bytes: the largest file kept; of a larger one the rest is read and dropped.

    Raises:
        UnsupportedMediaType: the body is not multipart/form-data.
        BrokenUpload: the body does not parse or ends early.
        RequestTimeout: the client has stopped sending.
    """
    part: Part | None = None
    digest = hashlib.md5(usedforsecurity=False)
    try:
        for event in _events(stream, _boundary(content_type)):
            if isinstance(event, File) and event.name in fields:
                part = Part(event.name, event.filename, cast(BinaryIO, SpooledTemporaryFile(MEMORY_BYTES)))  # noqa: SIM115
                digest = hashlib.md5(usedforsecurity=False)
            elif isinstance(event, Data) and part is not None:
                digest.update(event.data)
                _append(part, event.data, max_bytes)
                if not event.more_data:
                    part.md5 = digest.hexdigest()
                    part.body.seek(0)
                    done, part = part, None
                    yield done
    finally:
        if part is not None:
            part.body.close()


def _append(part: Part, data: bytes, max_bytes: int) -> None:
    part.size += len(data)
    if part.size > max_bytes and not part.too_large:
        part.too_large = True
        part.body.seek(0)
        part.body.truncate()
    if not part.too_large:
        part.body.write(data)


def _boundary(content_type: str) -> bytes:
    kind, options = parse_options_header(content_type)
    if kind != "multipart/form-data" or not options.get("boundary"):
        raise UnsupportedMediaType("send the files as multipart/form-data, each in a part named 'files'")
    return options["boundary"].encode()


def _events(stream: BinaryIO, boundary: bytes) -> Iterator[Event]:
    decoder = _Decoder(boundary, _BUFFER_BYTES)
    try:
        while True:
            event = decoder.next_event()
            if isinstance(event, NeedData):
                decoder.receive_data(stream.read(READ_BYTES) or None)
                continue
            yield event
            if isinstance(event, Epilogue):
                return
    except TimeoutError as err:
        raise RequestTimeout("the upload stood still for too long; send it again") from err
    except (ValueError, OSError) as err:
        raise BrokenUpload("the upload is damaged or was cut short; send it again") from err


class _Decoder(MultipartDecoder):
    """One file's name in a strange encoding must not cost its neighbours the request."""

    def _parse_headers(self, data: bytes | bytearray) -> Headers:
        return super()._parse_headers(data.decode("utf-8", "replace").encode())
