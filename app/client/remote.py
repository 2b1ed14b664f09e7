"""The HTTP API as a client sees it: uploads that are sent again until answered, and news that survive a cut stream."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any, cast
from urllib.parse import quote

import urllib3
from urllib3.exceptions import HTTPError

from app.client.answers import lines_in, object_in
from app.client.files import File
from app.client.form import READ_BYTES, Form
from app.client.patience import PATIENCE_S, Lost, Patience, reason
from app.errors import ConfigurationError, TransientError

Image = dict[str, Any]

# The statuses of what was done.
DONE = (200, 201, 202)
POLL_S = 2.0
# After the end of a batch: there may be more to come, as what is being uploaded is not in it yet.
AGAIN_S = 0.5
# The server speaks every few seconds; a stream that is silent for longer is dead.
TIMEOUT = urllib3.Timeout(connect=10, read=45)


@dataclass(frozen=True, slots=True)
class Waits:
    """What the batch's images wait for: a code, and the same in words."""

    code: str
    says: str


@dataclass(frozen=True, slots=True)
class Complete:
    """Every image that the batch has by now has its outcome."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A file that a batch has; ``size`` in bytes."""

    key: str
    size: int
    stored_at: datetime


News = Image | Waits | Complete


class Remote:
    """A web tier at some address. Safe to share between threads, but for `news`.

    Args:
        url: its address, such as ``http://127.0.0.1:8000``.
        patience_s: seconds for which a call that gets no answer is made again.
        say: is told, from any thread, when the web tier does not answer, and when it does again.
        key: an API key, where the web tier asks for one.

    Raises:
        ConfigurationError: ``url`` is none.
    """

    def __init__(
        self,
        url: str,
        patience_s: float = PATIENCE_S,
        say: Callable[[str], object] = lambda text: None,
        key: str | None = None,
    ) -> None:
        self._url = url.rstrip("/")
        try:
            scheme = urllib3.util.parse_url(self._url).scheme
        except HTTPError:
            scheme = None
        if scheme not in {"http", "https"}:
            raise ConfigurationError(f"{url!r} is not an address such as http://127.0.0.1:8000")
        self._patience = Patience(self._url, patience_s, say)
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._http = urllib3.PoolManager(maxsize=8, timeout=TIMEOUT, retries=False)
        self._cursor = ""

    def close(self) -> None:
        """Have `news` end, and calls that wait for an answer give up."""
        self._patience.end()

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
            return str(self._patience.until_answered(lambda: self._post("/api/batches"))["id"])
        except HTTPError as err:
            raise ConfigurationError(
                f"no web tier answers at {self._url}; start one with `make run` or `elastiq up`, or name it with --url"
            ) from err

    def make(self, options: dict[str, Any]) -> dict[str, Any]:
        """Make a batch with options, as the API has them; return what the web tier answers.

        Raises:
            Lost, ConfigurationError: as by `ask`.
        """
        # Sent again after an answer that was lost, it makes no second batch.
        return self.ask("POST", "/api/batches", options, {"Idempotency-Key": secrets.token_hex(16)})

    def ask(
        self,
        method: str,
        path: str,
        sent: dict[str, Any] | None = None,
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> dict[str, Any]:
        """Return what the web tier answers to a request with a body in JSON, or without one; nothing to 204.

        Raises:
            Lost: it did not work, however often it was tried.
            ConfigurationError: the web tier refuses it for good.
        """
        body = None if sent is None else json.dumps(sent)
        kind = {} if sent is None else {"Content-Type": "application/json"}

        def send() -> dict[str, Any]:
            try:
                answer = self._http.request(
                    method, self._url + path, body=body, headers={**self._headers, **kind, **headers}
                )
            except HTTPError as err:
                raise TransientError(reason(err)) from err
            return {} if answer.status == 204 else object_in(answer, DONE)

        return self._patience.until_answered(send)

    def download(self, path: str) -> Iterator[bytes]:
        """Yield the body of an answer as it comes.

        Raises:
            Lost, ConfigurationError: as by `ask`; or it breaks off.
        """

        def begin() -> urllib3.BaseHTTPResponse:
            try:
                answer = self._http.request("GET", self._url + path, headers=self._headers, preload_content=False)
                if answer.status != 200:
                    object_in(answer, ())
                return answer
            except HTTPError as err:
                raise TransientError(reason(err)) from err

        answer = self._patience.until_answered(begin)
        try:
            yield from answer.stream(READ_BYTES)
        except HTTPError as err:
            raise Lost(f"the answer broke off ({reason(err)}); ask again") from err
        finally:
            answer.close()

    def add(self, batch: str, files: Sequence[File]) -> list[Image]:
        """Add files to a batch; return what the web tier answers, an image for each file in their order.

        Raises:
            Lost: it did not work, however often it was tried.
            Unreadable: one of the files; none of them is known to be added.
            ConfigurationError: the web tier refuses the upload for good.
        """

        def send() -> dict[str, Any]:
            try:
                return self._post(f"/api/batches/{quote(batch, safe='')}/images", files)
            except HTTPError as err:
                raise TransientError(reason(err)) from err

        return cast(list[Image], self._patience.until_answered(send).get("images") or [])

    def read(self, batch: str) -> dict[str, Any]:
        """Return all of a batch.

        Raises:
            TransientError: the web tier does not answer now.
            ConfigurationError: the batch is gone.
        """
        return self._get(f"/api/batches/{quote(batch, safe='')}")

    def stored(self, batch: str) -> dict[str, Stored]:
        """Return the files that a batch has, by path.

        Raises:
            Lost, ConfigurationError: it cannot be told.
        """
        found: dict[str, Stored] = {}
        after: str | None = ""
        while after is not None:
            path = f"/api/batches/{quote(batch, safe='')}/stored?after={quote(after, safe='')}"
            answer = self._patience.until_answered(lambda path=path: self._get(path))  # type: ignore[misc]
            for file in answer["files"]:
                found[file["path"]] = Stored(file["key"], file["size"], datetime.fromisoformat(file["stored_at"]))
            after = answer["next"]
        return found

    def news(self, batch: str) -> Iterator[News]:
        """Yield the batch's news until `close`: those so far, and then each as it comes.

        Where a stream cannot be had, the batch is read instead, every so often.

        Raises:
            Lost: nothing came for longer than anybody waits.
            ConfigurationError: the batch is gone.
        """
        call = object()
        while not self._patience.ended:
            try:
                for told in self._stream(batch):
                    self._patience.answered(call)
                    if told is not None:
                        yield told
                    if self._patience.ended:
                        return
                pause_s = AGAIN_S
            except (HTTPError, TransientError) as err:
                self._patience.unanswered(call, err)
                pause_s = POLL_S
            self._patience.pause(pause_s)

    def _stream(self, batch: str) -> Iterator[News | None]:
        """Yield a stream's news until it ends; None is a sign of life."""
        url = f"{self._url}/api/batches/{quote(batch, safe='')}/events"
        headers = {**self._headers, "Last-Event-ID": self._cursor}
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
        for line in lines_in(answer):
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
        self._patience.pause(POLL_S)
        found = self._get(f"/api/batches/{quote(batch, safe='')}?after={quote(self._cursor, safe='')}")
        self._cursor = found["cursor"]
        yield from found["images"]
        yield _waits(found.get("waits"))
        if not found["counts"]["waiting"]:
            yield Complete()

    def _get(self, path: str) -> dict[str, Any]:
        try:
            return object_in(self._http.request("GET", self._url + path, headers=self._headers), DONE)
        except HTTPError as err:
            raise TransientError(reason(err)) from err

    def _post(self, path: str, files: Sequence[File] = ()) -> dict[str, Any]:
        # Each time with a body of its own: a file is read while it is sent, never held.
        body = Form(files) if files else None
        headers = {**self._headers, **(body.headers if body else {})}
        return object_in(self._http.request("POST", self._url + path, body=body and iter(body), headers=headers), DONE)


def _waits(told: object) -> Waits | None:
    if isinstance(told, dict) and isinstance(told.get("code"), str) and isinstance(told.get("says"), str):
        return Waits(told["code"], told["says"])
    return None
