"""The HTTP API as a client sees it: uploads that are sent again until answered, and news that survive a cut stream."""

from __future__ import annotations

import json
import random
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

import urllib3
from urllib3.exceptions import HTTPError

from app.client.files import File
from app.errors import ConfigurationError, PermanentError, TransientError

Image = dict[str, Any]

PATIENCE_S = 300.0
LONGEST_PAUSE_S = 20.0
POLL_S = 2.0
# After the end of a batch: there may be more to come, as what is being uploaded is not in it yet.
AGAIN_S = 0.5
READ_BYTES = 256 * 1024
# The server speaks every few seconds; a stream that is silent for longer is dead.
TIMEOUT = urllib3.Timeout(connect=10, read=45)


class Lost(TransientError):
    """The web tier has not answered for longer than anybody waits."""


class Unreadable(PermanentError):
    """A file cannot be read any more."""

    def __init__(self, file: File, why: str) -> None:
        super().__init__(f"the file cannot be read any more ({why})")
        self.file = file


@dataclass(frozen=True, slots=True)
class Waits:
    """What the batch's images wait for: a code, and the same in words."""

    code: str
    says: str


@dataclass(frozen=True, slots=True)
class Complete:
    """Every image that the batch has by now has its outcome."""


News = Image | Waits | Complete


class Remote:
    """A web tier at some address. Safe to share between threads, but for `news`.

    Args:
        url: its address, such as ``http://127.0.0.1:8000``.
        patience_s: seconds for which a call that gets no answer is made again.
        say: is told, from any thread, when the web tier does not answer, and when it does again.

    Raises:
        ConfigurationError: ``url`` is none.
    """

    def __init__(
        self, url: str, patience_s: float = PATIENCE_S, say: Callable[[str], object] = lambda text: None
    ) -> None:
        self._url = url.rstrip("/")
        try:
            scheme = urllib3.util.parse_url(self._url).scheme
        except HTTPError:
            scheme = None
        if scheme not in {"http", "https"}:
            raise ConfigurationError(f"{url!r} is not an address such as http://127.0.0.1:8000")
        self._patience_s, self._say = patience_s, say
        self._http = urllib3.PoolManager(maxsize=8, timeout=TIMEOUT, retries=False)
        self._cursor = ""
        # The calls that are without an answer now.
        self._without: set[_Patience] = set()
        self._lock = threading.Lock()

    def page(self, batch: str) -> str:
        """Return the address at which people find a batch."""
        return f"{self._url}/batches/{batch}"

    def new_batch(self) -> str:
        """Return the id of a new batch, which exists once it has an image.

        Raises:
            ConfigurationError: there is no web tier at this address.
            Lost: it is busy for longer than anybody waits.
        """
        try:
            return str(self._until_answered(lambda: self._post("/api/batches"))["id"])
        except HTTPError as err:
            raise ConfigurationError(
                f"no web tier answers at {self._url}; start one with `make run` or `elastiq up`, or name it with --url"
            ) from err

    def add(self, batch: str, files: Sequence[File]) -> list[Image]:
        """Add files to a batch; return what the web tier answers, an image for each file in their order.

        Raises:
            Lost: it did not work, however often it was tried.
            Unreadable: one of the files; none of them is known to be added.
            ConfigurationError: the web tier refuses the upload for good.
        """

        def send() -> dict[str, Any]:
            try:
                return self._post(f"/api/batches/{batch}/images", files)
            except HTTPError as err:
                raise TransientError(_reason(err)) from err

        return cast(list[Image], self._until_answered(send).get("images") or [])

    def read(self, batch: str) -> dict[str, Any]:
        """Return all of a batch.

        Raises:
            TransientError: the web tier does not answer now.
            ConfigurationError: the batch is gone.
        """
        try:
            return _json(self._http.request("GET", f"{self._url}/api/batches/{batch}"), 200)
        except HTTPError as err:
            raise TransientError(_reason(err)) from err

    def news(self, batch: str) -> Iterator[News]:
        """Yield the batch's news, without end: those so far, and then each as it comes.

        Where a stream cannot be had, the batch is read instead, every so often.

        Raises:
            Lost: nothing came for longer than anybody waits.
            ConfigurationError: the batch is gone.
        """
        patience = _Patience(self._patience_s)
        while True:
            try:
                for told in self._stream(batch):
                    self._answered(patience)
                    if told is not None:
                        yield told
                pause_s = AGAIN_S
            except (HTTPError, TransientError) as err:
                self._unanswered(patience, err)
                pause_s = POLL_S
            time.sleep(pause_s)

    def _stream(self, batch: str) -> Iterator[News | None]:
        """Yield a stream's news until it ends; None is a sign of life."""
        url, headers = f"{self._url}/api/batches/{batch}/events", {"Last-Event-ID": self._cursor}
        answer = self._http.request("GET", url, headers=headers, preload_content=False)
        if answer.status != 200:
            answer.drain_conn()
            yield from self._poll(batch)
            return
        try:
            yield from self._events(answer)
        finally:
            answer.close()

    def _events(self, answer: urllib3.BaseHTTPResponse) -> Iterator[News | None]:
        event: dict[str, str] = {}
        for line in _lines(answer):
            if line:
                name, _, value = line.partition(": ")
                event[name] = value
                continue
            kind = event.get("event", "")
            if kind.startswith("image-"):
                self._cursor = event["id"]
                yield json.loads(event["data"])
            elif kind == "waits":
                yield _waits(json.loads(event["data"]))
            elif kind == "done":
                yield Complete()
                return
            else:
                yield None
            event = {}

    def _poll(self, batch: str) -> Iterator[News | None]:
        time.sleep(POLL_S)
        url = f"{self._url}/api/batches/{batch}"
        found = _json(self._http.request("GET", url, fields={"after": self._cursor}), 200)
        self._cursor = found["cursor"]
        yield from found["images"]
        yield _waits(found.get("waits"))
        if not found["counts"]["waiting"]:
            yield Complete()

    def _post(self, path: str, files: Sequence[File] = ()) -> dict[str, Any]:
        # Each time with a body of its own: a file is read while it is sent, never held.
        body = _Form(files) if files else None
        headers = body.headers if body else {}
        return _json(self._http.request("POST", self._url + path, body=body and iter(body), headers=headers), 201)

    def _until_answered(self, ask: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        patience, attempt = _Patience(self._patience_s), 0
        while True:
            try:
                answer = ask()
                self._answered(patience)
                return answer
            except TransientError as err:
                attempt += 1
                left_s = self._unanswered(patience, err)
                time.sleep(min(left_s, LONGEST_PAUSE_S, 0.5 * 2**attempt) * random.uniform(0.7, 1.0))

    def _answered(self, patience: _Patience) -> None:
        patience.renew()
        with self._lock:
            over = self._without == {patience}
            self._without.discard(patience)
        if over:
            self._say(f"{self._url} answers again")

    def _unanswered(self, patience: _Patience, err: Exception) -> float:
        """Return the seconds for which to try again, or raise `Lost`."""
        left_s = patience.spend(err)
        with self._lock:
            first = not self._without
            self._without.add(patience)
        if first:
            self._say(f"no answer from {self._url} ({_reason(err)}); trying again for up to {left_s:.0f} s")
        return left_s


class _Patience:
    """How long a call has got no answer, and how long it may."""

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._since: float | None = None

    def renew(self) -> None:
        """Begin anew: there was an answer."""
        self._since = None

    def spend(self, err: Exception) -> float:
        """Return the seconds that are left.

        Raises:
            Lost: none are.
        """
        now = time.monotonic()
        self._since = now if self._since is None else self._since
        left_s = self._limit_s - (now - self._since)
        if left_s <= 0:
            raise Lost(f"no answer for {self._limit_s:.0f} s ({_reason(err)}); given up") from err
        return left_s


class _Form:
    """A multipart body of files, read as it is sent.

    Raises:
        Unreadable: a file, at any time.
    """

    def __init__(self, files: Sequence[File]) -> None:
        self._boundary = secrets.token_hex(16)
        self._files = [(file, _size(file)) for file in files]

    @property
    def headers(self) -> dict[str, str]:
        length = sum(len(self._head(file)) + size + 2 for file, size in self._files) + len(self._end)
        return {
            "Content-Type": f"multipart/form-data; boundary={self._boundary}",
            "Content-Length": str(length),
        }

    def __iter__(self) -> Iterator[bytes]:
        for file, size in self._files:
            yield self._head(file)
            yield from _content(file, size)
            yield b"\r\n"
        yield self._end

    def _head(self, file: File) -> bytes:
        # As browsers write it: these three characters, and only these, are escaped.
        name = file.sent.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
        disposition = f'Content-Disposition: form-data; name="files"; filename="{name}"'
        return f"--{self._boundary}\r\n{disposition}\r\n\r\n".encode(errors="replace")

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


def _waits(told: object) -> Waits | None:
    if isinstance(told, dict) and isinstance(told.get("code"), str) and isinstance(told.get("says"), str):
        return Waits(told["code"], told["says"])
    return None


def _reason(err: BaseException) -> str:
    """Return what went wrong in few words: libraries wrap the system's in their own."""
    cause: BaseException | None = err
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
        cause = cause.__cause__ or cause.__context__
    return str(err) or type(err).__name__


def _lines(answer: urllib3.BaseHTTPResponse) -> Iterator[str]:
    rest = b""
    for data in answer.stream(READ_BYTES):
        *whole, rest = (rest + data).split(b"\n")
        for line in whole:
            yield line.decode()


def _json(answer: urllib3.BaseHTTPResponse, expected: int) -> dict[str, Any]:
    """Return the answer's JSON, an object.

    Raises:
        TransientError: the answer is an error that may pass.
        ConfigurationError: it is one that will not, or no answer of a web tier.
    """
    if answer.status == expected:
        try:
            found = answer.json()
        except ValueError:
            found = None
        if isinstance(found, dict):
            return found
        raise ConfigurationError("the answer is no JSON object; is this the address of a web tier?")
    try:
        detail = str(answer.json()["detail"])
    except (ValueError, LookupError, TypeError):
        detail = f"status {answer.status}"
    kind = TransientError if answer.status >= 500 or answer.status in {408, 429} else ConfigurationError
    raise kind(detail)
