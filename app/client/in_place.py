"""`elastiq classify s3://bucket/prefix`: has the web tier classify what is in S3 already, and says how far it is."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import click

from app.client.patience import Lost
from app.client.remote import POLL_S, Remote
from app.errors import ConfigurationError, ElastiqError

SCHEME = "s3://"
DONE, SOME_FAILED, UNDONE, LOST, INTERRUPTED = 0, 1, 2, 3, 130


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


def classify_in_place(
    address: str, remote: Remote, *, as_json: bool, pause: Callable[[float], object] = time.sleep
) -> int:
    """Classify what is at ``address``; where its results are goes to standard output, all else to standard error.

    Returns:
        The exit status, as of `app.client.classify.classify`.
    """
    batch = ""
    try:
        batch = str(remote.make({"source": source_of(address)})["id"])
        _say(f"the batch goes on without this command: {remote.page(batch)}")
        found = _followed(remote, batch, pause)
    except KeyboardInterrupt:
        _say("interrupted")
        return INTERRUPTED
    except ElastiqError as err:
        _say(f"elastiq: {err}")
        return LOST if isinstance(err, Lost) else UNDONE
    progress, counts = found["progress"], found["counts"]
    if progress["problem"]:
        _say(f"elastiq: {progress['problem']}")
        return UNDONE
    click.echo(json.dumps({"id": batch, **counts, **progress}) if as_json else progress["results"])
    return SOME_FAILED if counts["failed"] else DONE


def _followed(remote: Remote, batch: str, pause: Callable[[float], object]) -> dict[str, Any]:
    """Return the batch once it is complete or has a problem; say whatever has changed."""
    told = ""
    while True:
        found = remote.read_patiently(batch)
        counts, progress = found["counts"], found["progress"]
        text = f"{progress['state']}: {counts['total']} found, {counts['done']} done, {counts['failed']} failed"
        if text != told:
            told = text
            _say(text)
        if progress["state"] in ("complete", "failed"):
            return found
        pause(POLL_S)


def _say(text: str) -> None:
    click.echo(text, err=True)
