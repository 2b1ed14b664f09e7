"""File names as people's machines have them, with their folders: which we take, and the keys they become."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from datetime import UTC, datetime

from app.domain import REJECTED, SOURCED, filename_of, new_batch_id
from app.errors import InvalidImage
from app.storage import MAX_KEY_BYTES

_NUMBERED = range(2, 10)
_NO_FOLDERS = frozenset({"", ".", ".."})
_DIGEST, _SHORT_DIGEST = 12, 8
_BATCH = len(new_batch_id(datetime(2000, 1, 1, tzinfo=UTC), bytes(4)))
# What a key has room for behind its batch, with the digest that another file of the name may get.
MAX_BYTES = MAX_KEY_BYTES - len("/") - _BATCH - len(" ()") - _SHORT_DIGEST


def check(path: str) -> None:
    """Refuse a name that could lead out of its batch, or that no listing could show.

    Args:
        path: the file's name; a relative path, with ``/``, if it came with its folders.

    Raises:
        InvalidImage: the name is the reason why the file is not taken.
    """
    if not path:
        raise InvalidImage("the file has no name; send it as a file, with its name in filename=")
    if "\\" in path:
        raise InvalidImage(f"the name must not hold a path with backslashes: {_shown(path)}; put a / between folders")
    if any(unicodedata.category(character) == "Cc" for character in path):
        raise InvalidImage(f"the name holds control characters: {_shown(path)}")
    if len(path.encode()) > MAX_BYTES:
        raise InvalidImage(f"the name is longer than {MAX_BYTES} bytes, folders included: {_shown(path)}")
    if path in _NO_FOLDERS or path.endswith(".error") or REJECTED.match(path) or path.startswith(SOURCED):
        raise InvalidImage(f"the name is reserved: {_shown(path)}; give the file another")
    if not _NO_FOLDERS.isdisjoint(path.split("/")):
        raise InvalidImage(f"the name must not hold a path that is absolute or has '.' or '..': {_shown(path)}")


def keys(batch: str, path: str, digest: str) -> Iterator[str]:
    """Yield the keys that a file may have, the first choice first.

    Another file of the same path gets a number, as on a desktop; after the ninth, a part of its digest.
    """
    folder, slash, filename = path.rpartition("/")
    stem, dot, suffix = filename.rpartition(".")
    if not stem:
        stem, dot, suffix = filename, "", ""
    stem = f"{batch}/{folder}{slash}{stem}"
    yield f"{batch}/{path}"
    for number in _NUMBERED:
        yield f"{stem} ({number}){dot}{suffix}"
    yield f"{stem} ({digest[:_SHORT_DIGEST]}){dot}{suffix}"


def rejected_key(batch: str, path: str, digest: str) -> str:
    """Return the key under which a refused file's reason is kept.

    It has a folder that no taken file's key has, so that it never meets a good file of its name, and the
    content's digest, so that sending it again says the same again.
    """
    folder = f"{batch}/rejected/{digest[:_DIGEST]}/"
    return folder + _safe(path, MAX_KEY_BYTES - len(folder))


def is_rejected(key: str) -> bool:
    """Return whether ``key`` is one of `rejected_key`: there is no image behind it."""
    return bool(REJECTED.match(key.partition("/")[2]))


def without_extension(key: str) -> str:
    """Return the file's name up to its last dot."""
    name = filename_of(key)
    return name.rpartition(".")[0] or name


def _safe(path: str, max_bytes: int) -> str:
    kept = "".join("_" if c == "\\" or unicodedata.category(c) == "Cc" else c for c in path)
    shortened = kept.encode()[:max_bytes].decode(errors="ignore")
    return "/".join(part for part in shortened.split("/") if part not in _NO_FOLDERS) or "unnamed"


def _shown(path: str) -> str:
    return repr(path if len(path) <= 80 else path[:79] + "…")
