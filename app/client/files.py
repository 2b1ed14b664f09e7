"""The files that people name: folders are walked and pipes read, and what is left out is told with its kind."""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePath

# The page leaves out the same ones.
IMAGE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jfif", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".heic", ".heif", ".hif", ".avif"}
)
# What systems leave in every folder is no file of anybody's.
_OF_SYSTEMS = frozenset({".ds_store", "thumbs.db", "desktop.ini"})
STDIN = ("-", "/dev/stdin")
MOST_PIPED_BYTES = 1_000_000_000
_READ_BYTES = 256 * 1024
_KINDS = 6


@dataclass(frozen=True, slots=True)
class File:
    """A file to send.

    Attributes:
        given: its path as it was named; in a folder that was named, that folder's and what follows.
        sent: its path in the batch: relative, with ``/``.
        content: where its bytes are.
        size: how many they are.
    """

    given: str
    sent: str
    content: Path
    size: int


@dataclass(frozen=True, slots=True)
class Gathered:
    """What was found: files to send, in order; how many of which kind are left out; what cannot be read, and why."""

    files: list[File] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)
    unread: list[tuple[str, str]] = field(default_factory=list)


def gather(paths: Iterable[str | Path], spool: Path) -> Gathered:
    """Return the files that ``paths`` name, and in folders the images, in the order of their paths.

    A file that is named itself is sent whatever its name is. Of two files of one name each has a path of its own,
    from the deepest folder that holds all that was named.

    Args:
        paths: files, folders, pipes; ``-`` is standard input.
        spool: a folder for what pipes hold.
    """
    named = [os.fspath(path) for path in paths]
    found = Gathered()
    base = _base(path for path in named if not _is_pipe(path))
    for path in named:
        if os.path.isdir(path):
            _walk(path, base, found)
        else:
            _take(path, base, found, spool)
    return found


def kinds(skipped: Counter[str]) -> str:
    """Say how many of each kind there are, the most frequent first."""
    most = sorted(skipped.items(), key=lambda kind: (-kind[1], kind[0]))
    others = sum(count for _, count in most[_KINDS:])
    said = [f"{count} {kind}" for kind, count in most[:_KINDS]]
    return ", ".join([*said, *([f"{others} others"] if others else [])])


def _base(paths: Iterable[str]) -> str:
    """Return the deepest folder that holds them all."""
    folders = [os.path.dirname(os.path.abspath(path)) for path in paths]
    return os.path.commonpath(folders) if folders else ""


def _take(path: str, base: str, found: Gathered, spool: Path) -> None:
    try:
        if _is_pipe(path):
            content = spool / str(len(found.files))
            _drain(path, content)
            sent = "stdin" if path in STDIN else PurePath(path).name
        else:
            content, sent = Path(path), _within(base, path)
        found.files.append(File(path, sent, content, _size(content)))
    except OSError as err:
        found.unread.append((path, _why(err)))


def _walk(folder: str, base: str, found: Gathered) -> None:
    inside = Gathered()
    for path in _entries(folder, inside):
        try:
            if stat.S_ISREG(os.stat(path).st_mode):
                inside.files.append(File(path, _within(base, path), Path(path), _size(Path(path))))
            else:
                inside.unread.append((path, "it is no file"))
        except OSError as err:
            inside.unread.append((path, _why(err)))
    found.files.extend(sorted(inside.files, key=lambda file: file.sent))
    found.unread.extend(sorted(inside.unread))
    found.skipped.update(inside.skipped)


def _entries(folder: str, found: Gathered) -> Iterator[str]:
    """Yield the paths in ``folder`` that are named like images; note the others."""

    def unreadable(err: OSError) -> None:
        found.unread.append((str(err.filename), _why(err)))

    for where, folders, names in os.walk(folder, onerror=unreadable):
        # A link may lead anywhere, and back to where it is.
        links = [path for name in folders if os.path.islink(path := os.path.join(where, name))]
        found.unread.extend((path, "it is a link to a folder; name it itself") for path in links)
        for name in names:
            suffix = PurePath(name).suffix.lower()
            if suffix in IMAGE_SUFFIXES:
                yield os.path.join(where, name)
            elif name.lower() not in _OF_SYSTEMS:
                found.skipped[suffix or "without an ending"] += 1


def _within(base: str, path: str) -> str:
    return PurePath(os.path.relpath(path, base)).as_posix()


def _is_pipe(path: str) -> bool:
    """Return whether a path can be read only once, from its beginning to its end."""
    if path in STDIN:
        return True
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def _drain(path: str, target: Path) -> None:
    """Read what a pipe holds, to its end.

    Raises:
        OSError: it cannot be read, or holds more than any image.
    """
    with open(0 if path in STDIN else path, "rb", closefd=path not in STDIN) as pipe, target.open("wb") as file:
        left = MOST_PIPED_BYTES
        while data := pipe.read(min(_READ_BYTES, left + 1)):
            left -= len(data)
            if left < 0:
                raise OSError(f"it holds more than {MOST_PIPED_BYTES / 1e6:.0f} MB")
            file.write(data)


def _size(content: Path) -> int:
    """Return a file's size, if it can be opened."""
    with content.open("rb") as file:
        return file.seek(0, os.SEEK_END)


def _why(err: OSError) -> str:
    return err.strerror or str(err)
