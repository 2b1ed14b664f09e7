"""The keys that a source has, a bounded number at a time, from where the last look ended."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import islice

from app.aws.bucket import Bucket
from app.errors import PermanentError
from app.settings import Settings
from app.sources.source import Source

# Of a manifest, so much is read at once; a line is never longer.
BLOCK = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Page:
    """What one look found.

    Attributes:
        keys: those of images, in order.
        skipped: how many others there were.
        after: whence the next look goes on.
        last: whether there is nothing behind it.
    """

    keys: list[str]
    skipped: int
    after: str
    last: bool


def look(settings: Settings, source: Source, batch: str, after: str, count: int) -> Page:
    """Return what is behind ``after`` (nothing: the beginning), about ``count`` objects.

    Raises:
        PermanentError: the manifest is not there, or is none.
        TransientError, ConfigurationError: the bucket does not answer, or refuses.
    """
    bucket, own = Bucket(settings.aws, source.bucket), source.bucket == settings.buckets.input
    if source.manifest:
        named, onwards, last = _lines(bucket, source.manifest, int(after or 0))
    else:
        objects = list(islice(bucket.list(source.begins, after), count))
        named = [item["Key"] if item["Size"] else "" for item in objects]
        onwards, last = (objects[-1]["Key"] if objects else after), len(objects) < count
    keys = [key for key in named if key and source.takes(key, batch, own)]
    return Page(keys, len(named) - len(keys), onwards, last)


def _lines(bucket: Bucket, manifest: str, at: int) -> tuple[list[str], str, bool]:
    """Return the keys that whole lines from byte ``at`` on name, where they end, and whether that is the end of all."""
    block = bucket.get_range(manifest, at, BLOCK)
    if block is None:
        raise PermanentError(f"there is no manifest {manifest[:200]!r} in bucket {bucket.name!r}")
    last = len(block) < BLOCK
    whole = len(block) if last else block.rfind(b"\n") + 1
    if not whole and block:
        raise PermanentError(f"the manifest has a line longer than {BLOCK} bytes at byte {at}")
    return [_key(line) for line in block[:whole].splitlines() if line.strip()], str(at + whole), last


def _key(line: bytes) -> str:
    """Return the key that a line names, as ``{"key": ...}`` or as a text; nothing where it names none."""
    try:
        found = json.loads(line)
    except ValueError:
        return ""
    key = found.get("key") if isinstance(found, dict) else found
    return key if isinstance(key, str) else ""
