"""A multipart body of files, read while it is sent: no file is ever held."""

from __future__ import annotations

import math
import secrets
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

from app.client.files import File
from app.errors import PermanentError, TransientError

READ_BYTES = 256 * 1024


class Unreadable(PermanentError):
    """A file cannot be read any more."""

    def __init__(self, file: File, why: str) -> None:
        super().__init__(f"the file cannot be read any more ({why})")
        self.file = file


class Form:
    """A body of ``files``, to be sent once.

    Args:
        files: whose content is sent.
        field: the form's field that each of them goes in.
        before: other fields, which come first.
        most_bytes: of each file, no more is sent.

    Raises:
        Unreadable: a file, at any time.
    """

    def __init__(
        self,
        files: Sequence[File],
        field: str = "files",
        before: Mapping[str, str] = MappingProxyType({}),
        most_bytes: float = math.inf,
    ) -> None:
        self._boundary, self._field = secrets.token_hex(16), field
        self._before = b"".join(self._part(f'name="{name}"') + f"{text}\r\n".encode() for name, text in before.items())
        self._files = [(file, int(min(_size(file), most_bytes))) for file in files]

    @property
    def headers(self) -> dict[str, str]:
        """Return what has to be said of the body."""
        length = (
            len(self._before) + sum(len(self._head(file)) + size + 2 for file, size in self._files) + len(self._end)
        )
        return {
            "Content-Type": f"multipart/form-data; boundary={self._boundary}",
            "Content-Length": str(length),
        }

    def __iter__(self) -> Iterator[bytes]:
        yield self._before
        for file, size in self._files:
            yield self._head(file)
            yield from _content(file, size)
            yield b"\r\n"
        yield self._end

    def _head(self, file: File) -> bytes:
        # As browsers write it: these three characters, and only these, are escaped.
        name = file.sent.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
        return self._part(f'name="{self._field}"; filename="{name}"')

    def _part(self, named: str) -> bytes:
        text = f"--{self._boundary}\r\nContent-Disposition: form-data; {named}\r\n\r\n"
        return text.encode(errors="replace")

    @property
    def _end(self) -> bytes:
        return f"--{self._boundary}--\r\n".encode()


def _size(file: File) -> int:
    try:
        return file.content.stat().st_size
    except OSError as err:
        raise Unreadable(file, err.strerror or str(err)) from err


def _content(file: File, size: int) -> Iterator[bytes]:
    try:
        with file.content.open("rb") as opened:
            while size and (data := opened.read(min(size, READ_BYTES))):
                size -= len(data)
                yield data
    except OSError as err:
        raise Unreadable(file, err.strerror or str(err)) from err
    if size:
        raise TransientError(f"{file.given} has become shorter while it was read")
