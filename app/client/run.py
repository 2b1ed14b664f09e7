"""One batch of files: chunks go up in a few threads, news come down in another; results come out as they are made."""

from __future__ import annotations

import asyncio
import threading
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue
from tempfile import TemporaryDirectory

from app.client.direct import Direct
from app.client.files import File, gather
from app.client.form import Unreadable
from app.client.remote import Complete, Image, News, Remote, Stored, Waits
from app.client.result import Result, failure, result_of
from app.errors import TransientError

CHUNK_FILES, CHUNK_BYTES = 32, 32_000_000
UPLOADS_AT_ONCE = 3
UNANSWERED = "the web tier does not say what became of it"


class Run:
    """Files that are classified, as their results: iterate over it once, with ``for`` or with ``async for``.

    What the threads have to say is put into an inbox, as calls; whoever iterates makes them. The threads are daemons:
    nobody waits for an upload that nobody wants any more.

    Args:
        connect: gives the web tier, which tells the function that it is given when there is no answer.
        paths: files, folders and pipes; ``-`` is standard input.
        say: is told, in the thread of whoever iterates, what is waited for.
        batch: one that has some of the files already; those are not sent again. A new one unless told.
        direct: whether files go straight to the bucket, as long as that works.

    Attributes:
        batch: the batch's id; nothing before it is known.
        left: files without an outcome yet.
        total: results that there will be.
        skipped: how many of each kind are left out, as they are not named like images.
    """

    def __init__(
        self,
        connect: Callable[[Callable[[str], object]], Remote],
        paths: Iterable[str | Path],
        say: Callable[[str], object],
        batch: str = "",
        *,
        direct: bool = False,
    ) -> None:
        self._inbox: SimpleQueue[Callable[[], object]] = SimpleQueue()
        self._remote, self._say = connect(partial(self._later, say)), say
        self._add = Direct(self._remote, partial(self._later, say)).add if direct else self._remote.add
        self._spool = TemporaryDirectory(prefix="elastiq-")
        self._found = gather(paths, Path(self._spool.name))
        self._results: deque[Result] = deque()
        # The files that an image stands for: the same file given twice is one image.
        self._expected: dict[str, list[File]] = defaultdict(list)
        self._known: dict[str, Image] = {}
        self._waits_for = ""
        self._chunks: SimpleQueue[list[File]] = SimpleQueue()
        self._unsent = 0
        self.batch = batch
        self.left = len(self._found.files)
        self.total = self.left + len(self._found.unread)
        self.skipped = self._found.skipped

    @property
    def page(self) -> str:
        """Return the address at which people find the batch; nothing before there is one."""
        return self._remote.page(self.batch) if self.batch else ""

    def close(self) -> None:
        """End it: what is uploaded goes on, and nothing more is sent or told."""
        self._remote.close()
        self._spool.cleanup()

    def __iter__(self) -> Iterator[Result]:
        """Yield what became of each file, as it is known.

        Raises:
            Lost, ConfigurationError: the web tier cannot be reached, or refuses the upload.
        """
        try:
            for path, why in self._found.unread:
                yield failure(path, f"cannot be read ({why})")
            if self._found.files:
                self._start(self._open)
            while self.left or self._results:
                while self._results:
                    yield self._results.popleft()
                if self.left:
                    self._inbox.get()()
        finally:
            self.close()

    async def __aiter__(self) -> AsyncIterator[Result]:
        """Yield the same; a thread waits, and the event loop does not."""
        results = iter(self)
        over = object()
        try:
            while (result := await asyncio.to_thread(next, results, over)) is not over:
                assert isinstance(result, Result)
                yield result
        finally:
            self.close()

    # -- in threads of their own

    def _start(self, act: Callable[..., None], *arguments: object) -> None:
        def run() -> None:
            try:
                act(*arguments)
            except BaseException as err:
                self._later(_raise, err)

        threading.Thread(target=run, daemon=True).start()

    def _later(self, act: Callable[..., object], *arguments: object) -> None:
        self._inbox.put(partial(act, *arguments))

    def _open(self) -> None:
        if self.batch:
            self._later(self._opened, self.batch, self._remote.stored(self.batch))
        else:
            self._later(self._opened, self._remote.new_batch(), {})

    def _send_first(self) -> None:
        with suppress(Empty):
            while not self._send(self._chunks.get_nowait()):
                pass
            self._send_rest()

    def _send_rest(self) -> None:
        for _ in range(UPLOADS_AT_ONCE):
            self._start(self._send_all)
        self._start(self._follow)

    def _send_all(self) -> None:
        with suppress(Empty):
            while True:
                self._send(self._chunks.get_nowait())

    def _send(self, chunk: list[File]) -> bool:
        """Send what of a chunk can still be read; return whether that was anything."""
        images: list[Image] = []
        while chunk:
            try:
                images = self._add(self.batch, chunk)
                break
            except Unreadable as err:
                self._later(self._failed, err.file, str(err))
                chunk = [file for file in chunk if file is not err.file]
        self._later(self._answered, chunk, images)
        return bool(chunk)

    def _follow(self) -> None:
        for told in self._remote.news(self.batch):
            self._later(self._heard, told)

    # -- in the thread of whoever iterates

    def _opened(self, batch: str, stored: dict[str, Stored]) -> None:
        self.batch = batch
        self._say(f"batch: {self.page}")
        unsent = self._unsent_of(self._found.files, stored)
        chunks = _chunks(unsent)
        self._unsent = len(chunks)
        for chunk in chunks:
            self._chunks.put(chunk)
        # A batch exists only once it has an image: its first chunk goes alone.
        self._start(self._send_rest if stored else self._send_first)

    def _unsent_of(self, files: Sequence[File], stored: dict[str, Stored]) -> list[File]:
        """Return the files that the batch has not; of the others, news will come."""
        unsent = []
        for file in files:
            held = stored.get(file.sent)
            if held is not None and _is(file, held):
                self._expected[held.key].append(file)
            else:
                unsent.append(file)
        if stored:
            self._say(f"{len(files) - len(unsent)} of {len(files)} are uploaded already")
        return unsent

    def _answered(self, files: Sequence[File], images: Sequence[Image]) -> None:
        self._unsent -= 1
        for file, image in zip(files, answers_to(files, images), strict=True):
            if image is None:
                self._failed(file, UNANSWERED)
                continue
            self._expected[image["key"]].append(file)
            self._settle(image["key"], image if image["state"] != "waiting" else self._known.get(image["key"]))

    def _heard(self, told: News) -> None:
        if isinstance(told, Waits):
            self._waits(told)
        elif isinstance(told, Complete):
            self._complete()
        else:
            self._learn(told)

    def _learn(self, image: Image) -> None:
        if image["state"] != "waiting":
            self._known[image["key"]] = image
            self._settle(image["key"], image)

    def _waits(self, told: Waits) -> None:
        """Say what is waited for, when that changes; that all is well is news only after trouble."""
        if told.code != self._waits_for and (self._waits_for or told.code != "working"):
            self._say(f"waiting: {told.says}")
            self._waits_for = told.code

    def _complete(self) -> None:
        """Look whether an end leaves any of ours without an outcome: then the batch has lost it."""
        if self._unsent or not self.left:
            return
        try:
            found = self._remote.read(self.batch)
        except TransientError:
            return  # the next end will tell
        for image in found["images"]:
            self._learn(image)
        if not found["counts"]["waiting"]:
            for key in list(self._expected):
                for file in self._expected.pop(key):
                    self._failed(file, UNANSWERED)

    def _settle(self, key: str, image: Image | None) -> None:
        if image is not None:
            for file in self._expected.pop(key, []):
                self.left -= 1
                self._results.append(result_of(file, image))

    def _failed(self, file: File, why: str) -> None:
        self.left -= 1
        self._results.append(failure(file.given, why, file))


def answers_to(files: Sequence[File], images: Sequence[Image]) -> list[Image | None]:
    """Return what the web tier says of each file.

    Of as many answers as files, they are in the same order; of fewer or more, the one that has the file's path, and
    None where there is none.
    """
    if len(files) == len(images):
        return list(images)
    by_path: dict[str, list[Image]] = defaultdict(list)
    for image in images:
        by_path[str(image.get("path", image["filename"]))].append(image)
    return [by_path[file.sent].pop(0) if by_path[file.sent] else None for file in files]


def _is(file: File, held: Stored) -> bool:
    """Return whether a file is the one that was uploaded under its path: as large, and not changed since."""
    try:
        changed_at = datetime.fromtimestamp(file.content.stat().st_mtime, UTC)
    except OSError:
        return False
    return file.size == held.size and changed_at <= held.stored_at


def _chunks(files: Sequence[File]) -> list[list[File]]:
    """Return ``files`` in groups of bounded number and size."""
    chunks: list[list[File]] = []
    room = CHUNK_BYTES
    for file in files:
        if not chunks or len(chunks[-1]) == CHUNK_FILES or file.size > room:
            chunks.append([])
            room = CHUNK_BYTES
        chunks[-1].append(file)
        room -= file.size
    return chunks


def _raise(err: BaseException) -> None:
    raise err
