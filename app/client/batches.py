"""The batches of a web tier, as `elastiq batch` asks for them and has them changed; what it says of them, in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlencode

from app.client.in_place import address_of
from app.client.remote import Remote

# So many of a list are asked for at once.
AT_ONCE = 100

Told = dict[str, Any]


class Batches:
    """Batches by id. Every method raises `Lost` or `ConfigurationError`, as `Remote.ask` does.

    Args:
        remote: the web tier.
    """

    def __init__(self, remote: Remote) -> None:
        self._remote = remote

    def newest(self, count: int) -> Iterator[Told]:
        """Yield the newest batches, ``count`` at most."""
        after: str | None = ""
        while count > 0 and after is not None:
            asked = {"limit": min(count, AT_ONCE), **({"after": after} if after else {})}
            answer = self._remote.ask("GET", f"/api/batches?{urlencode(asked)}")
            yield from answer["batches"]
            count, after = count - len(answer["batches"]), answer["next"]

    def read(self, id: str) -> Told:
        """Return a batch without its images."""
        found = self._remote.ask("GET", f"{_path(id)}?limit=1")
        return {name: value for name, value in found.items() if name not in ("images", "cursor")}

    def cancel(self, id: str) -> Told:
        """Drop what waits of a batch."""
        return self._remote.ask("POST", f"{_path(id)}/cancel")

    def retry(self, id: str, paths: Sequence[str] = (), *, cancelled: bool = False) -> Told:
        """Try again what failed of a batch, of some paths or all; or go on with one that was cancelled."""
        wanted = {"cancelled": cancelled, **({"paths": list(paths)} if paths else {})}
        return self._remote.ask("POST", f"{_path(id)}/retry", wanted)

    def delete(self, id: str) -> None:
        """Delete a batch with all that belongs to it, and return when nothing is left."""
        while self._remote.ask("DELETE", _path(id)):
            pass

    def results(self, id: str, form: str) -> Iterator[bytes]:
        """Yield a batch's results as they come; ``form`` is ``csv`` or ``jsonl``."""
        return self._remote.download(f"{_path(id)}/results.{form}")


def named(batch: str) -> str:
    """Return the id in what a person names a batch by: that, or its page's address."""
    return batch.rstrip("/").rpartition("/")[2]


def line(batch: Told) -> str:
    """Say of a batch in a list what tells it from others."""
    record = batch["record"]
    source = address_of(record["source"]) if record["source"] else ""
    what = [record["name"], source, "cancelled" if record["cancelled_at"] else "", record["owner"]]
    return "  ".join([batch["id"], _moment(record["made_at"]), *filter(None, what)])


def lines(batch: Told) -> Iterator[str]:
    """Say all that is known of a batch."""
    record, counts = batch["record"], batch["counts"]
    yield f"page       {batch['url']}"
    for name in ("name", "owner", "priority"):
        if record[name]:
            yield f"{name:<10} {record[name]}"
    for name in ("made_at", "expires_at", "cancelled_at"):
        if record[name]:
            yield f"{name.removesuffix('_at'):<10} {_moment(record[name])}"
    states = ", ".join(f"{counts[state]:,} {state}" for state in ("waiting", "done", "failed", "cancelled"))
    yield f"images     {counts['total']:,}: {states}"
    if batch["waits"]:
        yield f"waits      {batch['waits']['says']}"
    if record["source"]:
        progress = batch["progress"]
        yield f"source     {address_of(record['source'])}"
        yield f"progress   {progress['state']}; {progress['skipped']:,} skipped"
        yield f"problem    {progress['problem']}" if progress["problem"] else f"results    {progress['results']}"
    if batch["cost"]:
        yield f"cost       ${batch['cost']['usd']:.6f}"


def _path(id: str) -> str:
    return f"/api/batches/{quote(id, safe='')}"


def _moment(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S} UTC"
