"""`elastiq classify s3://bucket/prefix`: has the web tier classify what is in S3 already, and says how far it is."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import click

from app.client.patience import Lost
from app.client.remote import POLL_S, Remote
from app.client.report import plain
from app.errors import ConfigurationError, ElastiqError

SCHEME = "s3://"
DONE, SOME_FAILED, UNDONE, LOST, INTERRUPTED = 0, 1, 2, 3, 130
# Where lines stay, one is said so often while nothing but numbers change.
SAY_S = 10.0


def source_of(address: str) -> dict[str, str]:
    """Return what the API calls a source.

    Args:
        address: ``s3://bucket/prefix``; with ``*``, ``?`` or ``[`` in it a glob, a manifest if it ends in ``.jsonl``.

    Raises:
        ConfigurationError: it is no such address.
    """
    bucket, slash, key = address.removeprefix(SCHEME).partition("/")
    if not address.startswith(SCHEME) or not bucket or not slash:
        raise ConfigurationError(f"{address!r} is not an address such as s3://bucket/prefix")
    if key.endswith(".jsonl"):
        return {"manifest": address}
    return {"bucket": bucket, "glob" if any(c in key for c in "*?[") else "prefix": key}


def address_of(source: dict[str, str]) -> str:
    """Return the address that `source_of` reads so, of a source as the API tells it."""
    return f"{SCHEME}{source['bucket']}/{source.get('prefix') or source.get('glob') or source.get('manifest', '')}"


def classify_in_place(
    address: str,
    remote: Remote,
    *,
    as_json: bool,
    resume: str = "",
    pause: Callable[[float], object] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> int:
    """Classify what is at ``address``; where its results are goes to standard output, all else to standard error.

    Args:
        address: see `source_of`.
        remote: the web tier.
        as_json: whether to print JSON.
        resume: the id of a batch of the same address that is followed, in place of a new one.
        pause: waits so many seconds.
        clock: seconds, monotonic.

    Returns:
        The exit status, as of `app.client.classify.classify`.
    """
    batch, line = resume, _Line(clock)
    try:
        if batch:
            _check(address, remote.ask("GET", f"/api/batches/{batch}"))
        else:
            batch = str(remote.make({"source": source_of(address)})["id"])
        line.end(f"the batch goes on without this command: {remote.page(batch)}")
        found = _followed(remote, batch, line, pause)
    except KeyboardInterrupt:
        line.end("interrupted")
        if batch:
            line.end(f"the batch goes on; to follow it: elastiq classify {address} --resume {batch}")
        return INTERRUPTED
    except ElastiqError as err:
        line.end(f"elastiq: {err}")
        return LOST if isinstance(err, Lost) else UNDONE
    progress, counts = found["progress"], found["counts"]
    if progress["problem"]:
        line.end(f"elastiq: {progress['problem']}")
        return UNDONE
    click.echo(json.dumps({"id": batch, **counts, **progress}) if as_json else progress["results"])
    return SOME_FAILED if counts["failed"] or counts["cancelled"] else DONE


class _Line:
    """How far it is: at a terminal one line that changes, elsewhere one now and then."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock, self._terminal, self._shown = clock, sys.stderr.isatty(), False
        self._state, self._said, self._due = "", "", float("-inf")

    def show(self, state: str, text: str) -> None:
        """Say how far it is; ``state`` is in ``text``, and its change always said."""
        if self._terminal:
            click.echo(f"\r\x1b[K{plain(text)}", nl=False, err=True)
            self._shown = True
        elif text != self._said and (state != self._state or self._clock() >= self._due):
            click.echo(plain(text), err=True)
            self._state, self._said, self._due = state, text, self._clock() + SAY_S

    def end(self, text: str) -> None:
        """Say something that stays."""
        if self._shown:
            click.echo(err=True)
            self._shown = False
        click.echo(plain(text), err=True)


def _check(address: str, found: dict[str, Any]) -> None:
    """Refuse to follow a batch of another source.

    Raises:
        ConfigurationError: it is one.
    """
    source = found["record"]["source"]
    if source is None:
        raise ConfigurationError(f"batch {found['id']} has no source; give the files that it has")
    if address_of(source) != address:
        raise ConfigurationError(f"batch {found['id']} is of {address_of(source)}; give that address")


def _followed(remote: Remote, batch: str, line: _Line, pause: Callable[[float], object]) -> dict[str, Any]:
    """Return the batch once it is complete or has a problem; say whatever has changed."""
    while True:
        found = remote.ask("GET", f"/api/batches/{batch}")
        state = found["progress"]["state"]
        line.show(state, _words(found))
        if state in ("complete", "failed"):
            return found
        pause(POLL_S)


def _words(found: dict[str, Any]) -> str:
    counts, state, waits = found["counts"], found["progress"]["state"], found["waits"]
    finished = counts["done"] + counts["failed"] + counts["cancelled"]
    of = f"{counts['total']:,} found" if state == "listing" else f"{finished:,} of {counts['total']:,}"
    others = "".join(f", {counts[name]:,} {name}" for name in ("failed", "cancelled") if counts[name])
    waiting = f"; waiting: {waits['says']}" if waits and waits["code"] != "working" else ""
    return f"{state}: {of}{others}{waiting}"
