"""The HTTP API as a client sees it: uploads that are sent again until answered, and news that survive a cut stream."""

from __future__ import annotations

import json
import random
import secrets
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import urllib3
from urllib3.exceptions import HTTPError

from app.errors import ConfigurationError, TransientError

TRIES = 7
LONGEST_PAUSE_S = 20.0
POLL_S = 2.0
READ_BYTES = 256 * 1024
# The server speaks every few seconds; a stream that is silent for longer is dead.
TIMEOUT = urllib3.Timeout(connect=10, read=45)


class Remote:
    """A web tier at some address. Safe to share between threads, but for `news`.

    Args:
        url: its address, such as ``http://127.0.0.1:8000``.

    Raises:
        ConfigurationError: ``url`` is none.
    """

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")
        if urllib3.util.parse_url(self._url).scheme not in {"http", "https"}:
            raise ConfigurationError(f"{url!r} is not an address such as http://127.0.0.1:8000")
        self._http = urllib3.PoolManager(maxsize=8, timeout=TIMEOUT, retries=False)
        self._cursor = ""
        self._stopped = threading.Event()

    def stop(self) -> None:
        """Try nothing again: who asked is leaving."""
        self._stopped.set()

    def new_batch(self) -> str:
        """Return the id of a new batch, which exists once it has an image.

        Raises:
            ConfigurationError: there is no web tier at this address.
        """
        try:
            answer = self._http.request("POST", f"{self._url}/api/batches")
            return str(_json(answer, 201)["id"])
        except HTTPError as err:
            raise ConfigurationError(
                f"no web tier answers at {self._url}; start one with `make run` or `elastiq up`, or name it with --url"
            ) from err

    def add(self, batch: str, files: Sequence[Path]) -> list[dict[str, Any]]:
        """Add files to a batch; return their images in the same order.

        Raises:
            TransientError: it did not work, however often it was tried.
            ConfigurationError: the web tier refuses the upload for good.
        """
        url = f"{self._url}/api/batches/{batch}/images"
        for attempt in range(1, TRIES + 1):
            try:
                # Each time with a body of its own: a file is read while it is sent, never held.
                body = _Form(files)
                answer = self._http.request("POST", url, body=iter(body), headers=body.headers)
                return cast(list[dict[str, Any]], _json(answer, 201)["images"])
            except OSError as err:
                raise TransientError(f"a file cannot be read any more: {err}") from err
            except (HTTPError, TransientError) as err:
                pause_s = min(LONGEST_PAUSE_S, 0.5 * 2**attempt) * random.uniform(0.7, 1.3)
                if attempt == TRIES or self._stopped.wait(pause_s):
                    raise TransientError(f"the upload failed {attempt} times ({err}); try again later") from err
        raise AssertionError("unreachable")

    def news(self, batch: str) -> Iterator[dict[str, Any]]:
        """Yield the batch's images with news since the last call, until the stream ends or is cut.

        Where a stream cannot be had, the batch is read instead, after a pause. Call it again for more.

        Raises:
            ConfigurationError: the batch is gone.
        """
        try:
            answer = self._http.request(
                "GET",
                f"{self._url}/api/batches/{batch}/events",
                headers={"Last-Event-ID": self._cursor},
                preload_content=False,
            )
            if answer.status != 200:
                answer.drain_conn()
                yield from self._poll(batch)
                return
            try:
                yield from self._events(answer)
            finally:
                answer.close()
        except (HTTPError, TransientError):
            time.sleep(POLL_S)

    def _events(self, answer: urllib3.BaseHTTPResponse) -> Iterator[dict[str, Any]]:
        event: dict[str, str] = {}
        for line in _lines(answer):
            if line:
                name, _, value = line.partition(": ")
                event[name] = value
                continue
            if event.get("event", "").startswith("image-"):
                self._cursor = event["id"]
                yield json.loads(event["data"])
            elif event.get("event") == "done":
                # There may be more to come: what is being uploaded is not in the batch yet.
                time.sleep(0.2)
                return
            event = {}

    def _poll(self, batch: str) -> Iterator[dict[str, Any]]:
        time.sleep(POLL_S)
        url = f"{self._url}/api/batches/{batch}"
        found = _json(self._http.request("GET", url, fields={"after": self._cursor}), 200)
        self._cursor = found["cursor"]
        yield from found["images"]


class _Form:
    """A multipart body of files, read as it is sent."""

    def __init__(self, files: Sequence[Path]) -> None:
        self._boundary = secrets.token_hex(16)
        self._files = [(path, path.stat().st_size) for path in files]

    @property
    def headers(self) -> dict[str, str]:
        length = sum(len(self._head(path)) + size + 2 for path, size in self._files) + len(self._end)
        return {
            "Content-Type": f"multipart/form-data; boundary={self._boundary}",
            "Content-Length": str(length),
        }

    def __iter__(self) -> Iterator[bytes]:
        for path, size in self._files:
            yield self._head(path)
            with path.open("rb") as file:
                while size and (data := file.read(min(size, READ_BYTES))):
                    size -= len(data)
                    yield data
            if size:
                raise TransientError(f"{path} has become shorter while it was read")
            yield b"\r\n"
        yield self._end

    def _head(self, path: Path) -> bytes:
        # As browsers write it: these three characters, and only these, are escaped.
        name = path.name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
        disposition = f'Content-Disposition: form-data; name="files"; filename="{name}"'
        return f"--{self._boundary}\r\n{disposition}\r\n\r\n".encode(errors="replace")

    @property
    def _end(self) -> bytes:
        return f"--{self._boundary}--\r\n".encode()


def _lines(answer: urllib3.BaseHTTPResponse) -> Iterator[str]:
    rest = b""
    for data in answer.stream(READ_BYTES):
        *whole, rest = (rest + data).split(b"\n")
        for line in whole:
            yield line.decode()


def _json(answer: urllib3.BaseHTTPResponse, expected: int) -> dict[str, Any]:
    """Return the answer's JSON.

    Raises:
        TransientError: the answer is an error that may pass.
        ConfigurationError: it is one that will not, or no answer of a web tier.
    """
    if answer.status == expected:
        try:
            return cast(dict[str, Any], answer.json())
        except ValueError as err:
            raise ConfigurationError("the answer is not JSON; is this the address of a web tier?") from err
    try:
        detail = str(answer.json()["detail"])
    except (ValueError, LookupError, TypeError):
        detail = f"status {answer.status}"
    kind = TransientError if answer.status >= 500 or answer.status in {408, 429} else ConfigurationError
    raise kind(detail)
