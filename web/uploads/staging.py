"""Files that clients put into the input bucket themselves: where they may, and how the same checks get to see them.

What is staged can be put again for as long as its form is good. So it is never an image: it is read once, and what was
read is checked and stored as any other upload is.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from werkzeug.exceptions import Conflict

from app.aws.bucket import Bucket
from app.aws.calls import calls
from app.aws.presigned import PresignedPosts
from app.settings import Settings
from app.storage import STAGED
from web.uploads.multipart import Part, spooled

# Files that one request can ask for, and name when they are there: each of these is read.
MOST_INVITED, MOST_COMPLETED = 1_000, 100
# What an upload is called: nobody guesses another's.
UPLOAD = "[0-9a-f]{32}"
# Files that one request reads at once.
_AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class Staged:
    """A file that a client has put: by which name, and what it is called at home."""

    upload: str
    path: str


class NotStaged(Conflict):
    """What is said to be there is not."""


class Staging:
    """The staged files of all batches. Safe to share between threads.

    Args:
        settings: the input bucket, and how large a file may be.

    Raises:
        ConfigurationError: AWS's region or its own files make no sense.
    """

    def __init__(self, settings: Settings) -> None:
        self._bucket = Bucket(settings.aws, settings.buckets.input)
        self._forms = PresignedPosts(settings.aws, settings.buckets.input)
        self._max_bytes = settings.images.max_file_bytes
        self._pool = ThreadPoolExecutor(4 * _AT_ONCE, "staged")

    @property
    def origin(self) -> str:
        """Return where browsers have to be let go."""
        return self._forms.origin

    def invite(self, batch: str, sizes: Sequence[int], now: datetime) -> dict[str, Any]:
        """Return a form for each file of so many bytes, as the API has it.

        Of a file that is too large no more is let in than shows it.
        """
        uploads = []
        for size in sizes:
            name, most = secrets.token_hex(16), min(size, self._max_bytes + 1)
            uploads.append({"upload": name, "bytes": most, "fields": self._forms.sign(_key(batch, name), most, now)})
        return {"id": batch, "bucket_url": self._forms.url, "uploads": uploads}

    def parts(self, batch: str, files: Sequence[Staged], field: str) -> Iterator[Part]:
        """Yield files in their order, as if they had come in a form's ``field``; a few are read ahead.

        Raises:
            NotStaged: one is not there.
        """
        for at in range(0, len(files), _AT_ONCE):
            group = files[at : at + _AT_ONCE]
            ahead = [self._pool.submit(copy_context().run, self._read, batch, file, field) for file in group]
            try:
                while ahead:
                    yield ahead.pop(0).result()
            finally:
                for unread in ahead:
                    if not unread.exception():
                        unread.result().body.close()

    def clear(self, batch: str, files: Sequence[Staged]) -> None:
        """Delete files that were read."""
        self._bucket.delete_all([_key(batch, file.upload) for file in files])

    def _read(self, batch: str, file: Staged, field: str) -> Part:
        data = self._bucket.pieces(_key(batch, file.upload))
        if data is None:
            raise NotStaged(
                f"the upload {file.upload} is not there: send its file by its form first, or send all these files to "
                "POST /api/batches/<id>/images"
            )
        calls.count("s3_put")  # the client's, which costs whoever runs this
        return spooled(field, file.path, data, self._max_bytes)


def _key(batch: str, name: str) -> str:
    return f"{STAGED}{batch}/{name}"
