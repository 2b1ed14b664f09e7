"""Files that go straight to the bucket, past the web tier; where that fails they go through it, and it is said."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast
from urllib.parse import quote

import urllib3
from urllib3.exceptions import HTTPError

from app.client.files import File
from app.client.form import Form
from app.client.patience import Lost, reason
from app.client.remote import TIMEOUT, Image, Remote
from app.errors import ConfigurationError, TransientError

# Times that one file is sent to a bucket that does not take it.
TRIES = 3


class Direct:
    """Adds files to batches by way of the bucket. Safe to share between threads.

    Args:
        remote: the web tier, which lets files in and says what became of them.
        say: is told, from any thread, that files go through the web tier, and why.
    """

    def __init__(self, remote: Remote, say: Callable[[str], object]) -> None:
        self._remote, self._say = remote, say
        # The bucket is not the web tier: nothing that a key is for goes there.
        self._http = urllib3.PoolManager(maxsize=8, timeout=TIMEOUT, retries=False)
        self._works = True

    def add(self, batch: str, files: Sequence[File]) -> list[Image]:
        """Add files to a batch; return what the web tier answers, an image for each file in their order.

        Raises:
            Lost, Unreadable, ConfigurationError: as by `Remote.add`.
        """
        if self._works:
            try:
                return self._added(batch, files)
            except Lost:
                raise
            except (ConfigurationError, TransientError) as err:
                self._give_up(err)
        return self._remote.add(batch, files)

    def _added(self, batch: str, files: Sequence[File]) -> list[Image]:
        path = f"/api/batches/{quote(batch, safe='')}/uploads"
        invited = self._remote.ask("POST", path, {"sizes": [file.size for file in files]})
        for file, upload in zip(files, invited["uploads"], strict=True):
            self._put(invited["bucket_url"], upload, file)
        named = [
            {"upload": upload["upload"], "path": file.sent}
            for file, upload in zip(files, invited["uploads"], strict=True)
        ]
        return cast(list[Image], self._remote.ask("POST", f"{path}/complete", {"files": named})["images"])

    def _put(self, url: str, upload: dict[str, Any], file: File) -> None:
        for left in reversed(range(TRIES)):
            # Each time with a body of its own, which is read while it is sent.
            form = Form([file], "file", upload["fields"], upload["bytes"])
            try:
                answer = self._http.request("POST", url, body=iter(form), headers=form.headers)
                why = "" if answer.status < 300 else f"it answers with {answer.status}"
            except HTTPError as err:
                why = reason(err)
            if not why:
                return
            if not left:
                raise TransientError(f"the bucket at {url} does not take {file.given} ({why})")

    def _give_up(self, err: Exception) -> None:
        if self._works:
            self._works = False
            self._say(f"files go through the web tier: {err}")
