"""Where a batch's images are that nobody uploads: one bucket, and a prefix, a glob or a manifest of its keys. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from fnmatch import translate
from functools import cached_property
from typing import Any

from app.domain import BATCH_ID, SOURCED, batch_of
from app.errors import PermanentError
from app.storage import MAX_KEY_BYTES, STAGED

LONGEST = 1024
_KINDS = ("prefix", "glob", "manifest")
_MANIFEST = re.compile(r"s3://([^/]+)/(.+)", re.DOTALL)


class BadSource(PermanentError):
    """What is named as a source cannot be one; the message says why."""


@dataclass(frozen=True)
class Source:
    """A source of images; of prefix, glob and manifest one says which.

    Attributes:
        bucket: where they are.
        prefix: what their keys begin with.
        glob: what their keys are like: ``*`` stands for any characters, ``/`` too.
        manifest: the key of an object in the bucket that names them: a line for each, in JSON.
    """

    bucket: str
    prefix: str = ""
    glob: str = ""
    manifest: str = ""

    def to_json(self) -> dict[str, str]:
        """Return the form that a batch's record keeps."""
        kind = next((kind for kind in _KINDS if getattr(self, kind)), "prefix")
        return {"bucket": self.bucket, kind: getattr(self, kind)}

    @property
    def begins(self) -> str:
        """Return what every key begins with that is not named by a manifest."""
        return self.prefix or re.split(r"[*?\[]", self.glob, maxsplit=1)[0]

    @cached_property
    def _like(self) -> re.Pattern[str]:
        return re.compile(translate(self.glob or "*"))

    def takes(self, key: str, batch: str, own: bool) -> bool:
        """Return whether the object ``key`` may be one of its images.

        Args:
            key: the object's in the bucket.
            batch: whose source it is.
            own: whether the bucket is the one of uploaded images. Those of any batch are their owners' alone, staged or
                taken.
        """
        if key.endswith("/") or len(key_of(batch, key).encode()) > MAX_KEY_BYTES or key.endswith(".error"):
            return False
        if own and (key.startswith(STAGED) or BATCH_ID.fullmatch(batch_of(key))):
            return False
        return bool(self.manifest) or (key.startswith(self.prefix) and self._like.match(key) is not None)


def asked(data: object, allowed: Collection[str], own: str) -> Source:
    """Return the source that ``data``, JSON as it came, asks for.

    Args:
        data: ``{"bucket", "prefix" | "glob"}`` or ``{"manifest": "s3://bucket/key"}``.
        allowed: the buckets that may be read.
        own: the bucket of uploaded images, which need not be named.

    Raises:
        BadSource: it is none, or names a bucket that may not be read.
    """
    if not isinstance(data, Mapping) or not all(isinstance(value, str) for value in data.values()):
        raise BadSource("source is no object of texts; it has bucket, and one of prefix, glob, manifest")
    if unknown := sorted(set(map(str, data)) - {"bucket", *_KINDS}):
        raise BadSource(f"source has no {unknown[0][:80]!r}; it has bucket, and one of {', '.join(_KINDS)}")
    kinds = [kind for kind in _KINDS if kind in data]
    if len(kinds) != 1 or len(data[kinds[0]]) > LONGEST:
        raise BadSource(f"source needs one of {', '.join(_KINDS)}, of at most {LONGEST} characters")
    source = _read(data, own)
    if source.bucket not in {*allowed, own}:
        raise BadSource(f"the bucket {source.bucket[:80]!r} is none that ELASTIQ_SOURCE_BUCKETS allows")
    return source


def _read(data: Mapping[str, Any], own: str) -> Source:
    if "manifest" not in data:
        return Source(data.get("bucket") or own, data.get("prefix", ""), data.get("glob", ""))
    found = _MANIFEST.fullmatch(data["manifest"])
    if not found:
        raise BadSource("manifest must be s3://bucket/key")
    if data.get("bucket", found[1]) != found[1]:
        raise BadSource("a manifest names keys of its own bucket; leave bucket out")
    return Source(found[1], manifest=found[2])


def kept(data: Mapping[str, Any]) -> Source:
    """Return what `Source.to_json` gave."""
    return Source(**{name: str(data[name]) for name in ("bucket", *_KINDS) if name in data})


def key_of(batch: str, name: str) -> str:
    """Return the key under which the object ``name`` of a batch's source is an image of the batch."""
    return f"{batch}/{SOURCED}{name}"


def name_in(key: str) -> tuple[str, str] | None:
    """Return the batch and the object's key in its source; None of the key of an image that was uploaded."""
    batch, _, path = key.partition("/")
    if not path.startswith(SOURCED) or not BATCH_ID.fullmatch(batch):
        return None
    return batch, path.removeprefix(SOURCED)
