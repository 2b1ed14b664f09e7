"""`elastiq classify`: hands files to a running web tier and prints what is in them as it becomes known."""

from __future__ import annotations

import json
import sys
import threading
from collections import defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TextIO

import click

from app.client.remote import Remote
from app.errors import ElastiqError

IMAGE_SUFFIXES = {".jpg", ".jpeg", ".jfif", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff"} | {
    ".heic",
    ".heif",
    ".hif",
    ".avif",
}
CHUNK_FILES, CHUNK_BYTES = 32, 32_000_000
UPLOADS_AT_ONCE = 3

Image = dict[str, Any]


def classify(paths: Iterable[Path], url: str, *, as_json: bool) -> int:
    """Classify files, and the images in folders, through the web tier at ``url``.

    ``(filename, label)`` lines, or JSON objects, go to standard output as results come; failures and progress
    to standard error.

    Returns:
        The exit status: 0 when every image got a label, 1 when any failed, 2 when it could not be done.
    """
    files, skipped = _files_of(paths)
    if skipped:
        click.echo(f"left out, not being named like images: {skipped} file{'s' * (skipped > 1)}", err=True)
    if not files:
        click.echo("no image found; name files, or a folder that holds some", err=True)
        return 2
    try:
        remote = Remote(url)
        with _Report(len(files), as_json, sys.stdout) as report:
            _Run(remote, report).classify(files)
        return 1 if report.failed else 0
    except ElastiqError as err:
        click.echo(f"elastiq: {err}", err=True)
        return 2


class _Run:
    """One batch: its chunks go up in a few threads while its results come down in this one."""

    def __init__(self, remote: Remote, report: _Report) -> None:
        self._remote, self._report = remote, report
        self._batch = remote.new_batch()
        self._lock = threading.Lock()
        # How many of our files an image stands for: the same file given twice is one image.
        self._expected: dict[str, int] = defaultdict(int)
        self._known: dict[str, Image] = {}
        self._remaining = 0

    def classify(self, files: Sequence[Path]) -> None:
        """Return when every file has its outcome.

        Raises:
            TransientError, ConfigurationError: the web tier cannot be reached, or refuses the upload.
        """
        readable = [path for path in files if self._can_read(path)]
        if not readable:
            return
        self._remaining = len(readable)
        first, *rest = _chunks(readable)
        with ThreadPoolExecutor(UPLOADS_AT_ONCE) as pool:
            # The first alone: the batch exists only once it has an image.
            self._upload(first)
            uploads = [pool.submit(self._upload, chunk) for chunk in rest]
            try:
                while self._remaining:
                    failed = next((u for u in uploads if u.done() and u.exception()), None)
                    if failed is not None:
                        failed.result()
                    for image in self._remote.news(self._batch):
                        self._learn(image)
                        if not self._remaining:
                            break
            except BaseException:
                self._remote.stop()
                for upload in uploads:
                    upload.cancel()
                raise

    def _upload(self, chunk: Sequence[Path]) -> None:
        for image in self._remote.add(self._batch, chunk):
            with self._lock:
                self._expected[image["key"]] += 1
                known = image if image["state"] != "waiting" else self._known.get(image["key"])
                self._settle(image["key"], known)

    def _learn(self, image: Image) -> None:
        with self._lock:
            if image["state"] == "waiting":
                return
            self._known[image["key"]] = image
            self._settle(image["key"], image)

    def _settle(self, key: str, image: Image | None) -> None:
        if image is None:
            return
        for _ in range(self._expected.pop(key, 0)):
            self._remaining -= 1
            self._report.show(image)

    def _can_read(self, path: Path) -> bool:
        try:
            path.open("rb").close()
            return True
        except OSError as err:
            reason = f"the file cannot be read ({err.strerror})"
            self._report.show({"filename": path.name, "state": "failed", "reason": reason})
            return False


class _Report:
    """What is printed: results, failures, and at a terminal a progress bar."""

    def __init__(self, total: int, as_json: bool, output: TextIO) -> None:
        self._as_json, self._output = as_json, output
        self._bar = click.progressbar(length=total, label="Classifying", file=sys.stderr, show_pos=True)
        self._bar_shown = sys.stderr.isatty()
        self.failed = 0

    def __enter__(self) -> _Report:
        if self._bar_shown:
            self._bar.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        if self._bar_shown:
            self._bar.render_finish()

    def show(self, image: Image) -> None:
        """Print one outcome."""
        if self._bar_shown:
            # The line takes the bar's place; the bar is drawn again below it.
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
        failed = image["state"] == "failed"
        self.failed += failed
        if self._as_json:
            print(json.dumps(image), file=self._output, flush=True)
        elif not failed:
            print(f"({image['filename']}, {image['label']})", file=self._output, flush=True)
        if failed:
            click.echo(f"{image['filename']}: {image['reason']}", err=True)
        if self._bar_shown:
            self._bar.update(1)


def _files_of(paths: Iterable[Path]) -> tuple[list[Path], int]:
    """Return the files to send, and how many in folders are left out. A file that was named itself is always sent."""
    files: list[Path] = []
    skipped = 0
    for path in paths:
        if not path.is_dir():
            files.append(path)
            continue
        inner = sorted(found for found in path.rglob("*") if found.is_file())
        images = [found for found in inner if found.suffix.lower() in IMAGE_SUFFIXES]
        files += images
        skipped += len(inner) - len(images)
    return files, skipped


def _chunks(files: Sequence[Path]) -> list[list[Path]]:
    """Return ``files`` in groups of bounded number and size."""
    chunks: list[list[Path]] = [[]]
    room = CHUNK_BYTES
    for path in files:
        size = path.stat().st_size
        if chunks[-1] and (len(chunks[-1]) == CHUNK_FILES or size > room):
            chunks.append([])
            room = CHUNK_BYTES
        chunks[-1].append(path)
        room -= size
    return chunks
