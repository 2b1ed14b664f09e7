"""`elastiq classify`: hands files to a running web tier and prints what is in them as it becomes known."""

from __future__ import annotations

import sys
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue
from tempfile import TemporaryDirectory

from app.client.files import File, Gathered, gather, kinds
from app.client.remote import PATIENCE_S, Complete, Image, Lost, News, Remote, Unreadable, Waits
from app.client.report import Report
from app.errors import ElastiqError, TransientError

CHUNK_FILES, CHUNK_BYTES = 32, 32_000_000
UPLOADS_AT_ONCE = 3
DONE, SOME_FAILED, UNDONE, LOST, INTERRUPTED = 0, 1, 2, 3, 130
_UNANSWERED = "the web tier does not say what became of it"


def classify(paths: Iterable[str | Path], url: str, *, as_json: bool, patience_s: float = PATIENCE_S) -> int:
    """Classify files, and the images in folders, through the web tier at ``url``.

    ``(path, label)`` lines, or JSON objects, go to standard output as results come; failures and progress to
    standard error.

    Args:
        paths: files, folders and pipes; ``-`` is standard input.
        url: the web tier's address.
        as_json: whether to print JSON.
        patience_s: seconds for which to try again while the web tier does not answer.

    Returns:
        The exit status: 0 when every image got a label, 1 when one failed or a file was left out, 2 when nothing could
        be done, 3 when the web tier was lost, 130 when it was interrupted.
    """
    with TemporaryDirectory(prefix="elastiq-") as spool:
        found = gather(paths, Path(spool))
        with Report(len(found.files) + len(found.unread), as_json, sys.stdout) as report:
            _tell(found, report)
            if not found.files:
                report.note("no image found; name files, or a folder that holds some")
                return UNDONE
            ended = _run(found.files, url, patience_s, report)
    return ended or (SOME_FAILED if report.failed or found.skipped else DONE)


def _tell(found: Gathered, report: Report) -> None:
    """Say what is not sent."""
    if found.skipped:
        count = found.skipped.total()
        report.note(
            f"left out, not being named like images: {count} file{'s' * (count > 1)} ({kinds(found.skipped)}); "
            "name a file itself to have it sent"
        )
    for given, why in found.unread:
        report.fail(given, f"cannot be read ({why})")


def _run(files: Sequence[File], url: str, patience_s: float, report: Report) -> int:
    """Return the exit status that an error has; 0 without one."""
    run: _Run | None = None
    try:
        run = _Run(url, patience_s, report)
        run.classify(files)
        return DONE
    except KeyboardInterrupt:
        ended = INTERRUPTED
        report.note("interrupted")
    except ElastiqError as err:
        ended = LOST if isinstance(err, Lost) else UNDONE
        report.note(f"elastiq: {err}")
    if run is not None and run.page:
        report.note(f"{run.left} of {len(files)} have no outcome yet; what was uploaded goes on: {run.page}")
    return ended


class _Run:
    """One batch: chunks go up in a few threads, news come down in another, and this one counts and prints.

    What the others have to say is put into an inbox, as calls. They are daemons: nobody waits for an upload that
    nobody wants any more.

    Raises:
        ConfigurationError: ``url`` is no address.
    """

    def __init__(self, url: str, patience_s: float, report: Report) -> None:
        self._inbox: SimpleQueue[Callable[[], object]] = SimpleQueue()
        say = partial(self._later, report.note)
        self._remote, self._report = Remote(url, patience_s, say), report
        # The files that an image stands for: the same file given twice is one image.
        self._expected: dict[str, list[File]] = defaultdict(list)
        self._known: dict[str, Image] = {}
        self._batch, self._waits_for = "", ""
        self._chunks: SimpleQueue[list[File]] = SimpleQueue()
        self._unsent = 0
        self.left = 0

    @property
    def page(self) -> str:
        """Return the address at which the batch is found; nothing before there is one."""
        return self._remote.page(self._batch) if self._batch else ""

    def classify(self, files: Sequence[File]) -> None:
        """Return when every file has its outcome.

        Raises:
            Lost, ConfigurationError: the web tier cannot be reached, or refuses the upload.
        """
        self.left = len(files)
        first, *rest = _chunks(files)
        self._unsent = 1 + len(rest)
        self._batch = self._remote.new_batch()
        self._report.note(f"batch: {self.page}")
        # The first alone: the batch exists only once it has an image.
        for chunk in rest:
            self._chunks.put(chunk)
        self._start(self._send_first, first)
        while self.left:
            self._inbox.get()()

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

    def _send_first(self, chunk: list[File]) -> None:
        while not self._send(chunk):
            if self._chunks.empty():
                return
            chunk = self._chunks.get()
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
                images = self._remote.add(self._batch, chunk)
                break
            except Unreadable as err:
                self._later(self._failed, err.file, str(err))
                chunk = [file for file in chunk if file is not err.file]
        self._later(self._answered, chunk, images)
        return bool(chunk)

    def _follow(self) -> None:
        for told in self._remote.news(self._batch):
            self._later(self._heard, told)

    # -- in the caller's thread

    def _answered(self, files: Sequence[File], images: Sequence[Image]) -> None:
        self._unsent -= 1
        for file, image in zip(files, answers_to(files, images), strict=True):
            if image is None:
                self._failed(file, _UNANSWERED)
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
            self._report.note(f"waiting: {told.says}")
            self._waits_for = told.code

    def _complete(self) -> None:
        """Look whether an end leaves any of ours without an outcome: then the batch has lost it."""
        if self._unsent or not self.left:
            return
        try:
            found = self._remote.read(self._batch)
        except TransientError:
            return  # the next end will tell
        for image in found["images"]:
            self._learn(image)
        if not found["counts"]["waiting"]:
            for key in list(self._expected):
                for file in self._expected.pop(key):
                    self._failed(file, _UNANSWERED)

    def _settle(self, key: str, image: Image | None) -> None:
        if image is not None:
            for file in self._expected.pop(key, []):
                self.left -= 1
                self._report.show(file, image)

    def _failed(self, file: File, why: str) -> None:
        self.left -= 1
        self._report.fail(file.given, why)


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


def _chunks(files: Sequence[File]) -> list[list[File]]:
    """Return ``files`` in groups of bounded number and size."""
    chunks: list[list[File]] = [[]]
    room = CHUNK_BYTES
    for file in files:
        if chunks[-1] and (len(chunks[-1]) == CHUNK_FILES or file.size > room):
            chunks.append([])
            room = CHUNK_BYTES
        chunks[-1].append(file)
        room -= file.size
    return chunks


def _raise(err: BaseException) -> None:
    raise err
