"""File names as people's machines have them: which we take, and the keys they become."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from datetime import UTC, datetime

from app.domain import filename_of, new_batch_id
from app.errors import InvalidImage
from app.storage import MAX_KEY_BYTES

_NUMBERED = range(2, 10)
_DIGEST, _SHORT_DIGEST = 12, 8
_BATCH = len(new_batch_id(datetime(2000, 1, 1, tzinfo=UTC), bytes(4)))
# What a key has room for behind its batch, with the digest that another file of the name may get.
MAX_BYTES = MAX_KEY_BYTES - len("/") - _BATCH - len(" ()") - _SHORT_DIGEST


def check(filename: str) -> None:
    """Refuse a name that could be taken for a path, or that no listing could show.

    Raises:
        InvalidImage: the name is the reason why the file is not taken.
    """
    if not filename:
        raise InvalidImage("the file has no name; send it as a file, with its name in filename=")
    if "/" in filename or "\\" in filename:
        raise InvalidImage(f"the name must not hold a path: {_shown(filename)}")
    if any(unicodedata.category(character) == "Cc" for character in filename):
        raise InvalidImage(f"the name holds control characters: {_shown(filename)}")
    if len(filename.encode()) > MAX_BYTES:
        raise InvalidImage(f"the name is longer than {MAX_BYTES} bytes: {_shown(filename)}")
    if filename in {".", ".."} or filename.endswith(".error"):
        raise InvalidImage(f"the name is reserved: {_shown(filename)}; give the file another")


def keys(batch: str, filename: str, md5: str) -> Iterator[str]:
    """Yield the keys that a file may have, the first choice first.

    Another file of the same name gets a number, as on a desktop; after the ninth, a part of its digest.
    """
    stem, dot, suffix = filename.rpartition(".")
    if not stem:
        stem, dot, suffix = filename, "", ""
    yield f"{batch}/{filename}"
    for number in _NUMBERED:
        yield f"{batch}/{stem} ({number}){dot}{suffix}"
    yield f"{batch}/{stem} ({md5[:_SHORT_DIGEST]}){dot}{suffix}"


def rejected_key(batch: str, filename: str, md5: str) -> str:
    """Return the key under which a refused file's reason is kept.

    It has a folder that no taken file's key has, so that it never meets a good file of its name, and the
    content's digest, so that sending it again says the same again.
    """
    folder = f"{batch}/rejected/{md5[:_DIGEST]}/"
    return folder + _safe(filename, MAX_KEY_BYTES - len(folder))


def is_rejected(key: str) -> bool:
    """Return whether ``key`` is one of `rejected_key`: there is no image behind it."""
    return key.count("/") > 1


def without_extension(key: str) -> str:
    """Return the file's name up to its last dot."""
    name = filename_of(key)
    return name.rpartition(".")[0] or name


def _safe(filename: str, max_bytes: int) -> str:
    kept = "".join("_" if c in "/\\" or unicodedata.category(c) == "Cc" else c for c in filename)
    shortened = kept.encode()[:max_bytes].decode(errors="ignore")
    return (shortened if shortened not in {".", ".."} else "_") or "unnamed"


def _shown(filename: str) -> str:
    return repr(filename if len(filename) <= 80 else filename[:79] + "…")
