"""The results of a batch with a source: read by pages, and once they are written as any batch's."""

from __future__ import annotations

import csv
import io
import json

from flask.testing import FlaskClient

from app.batches.record import BatchRecord
from app.domain import Classification, Failure, Prediction
from app.sources.source import key_of
from web.sources.results import results_of
from web.tier import Tier

BATCH = "20991128T101530123Z-9f2c01ab"
NAMES = [f"photos/{n}.jpg" for n in range(5)]


def _made(tier: Tier) -> None:
    """Have a batch with a source whose last image failed; nothing has counted them yet."""
    source = {"bucket": tier.settings.buckets.input, "prefix": "photos/"}
    tier.records.make(BatchRecord(BATCH, source=source, priority="bulk"))
    tier.runner.progresses.begin(BATCH)
    for name in NAMES[:-1]:
        tier.storage.save(Classification.of(key_of(BATCH, name), [Prediction("=tabby", 0.75)], "test"))
    tier.storage.save(Failure.of(key_of(BATCH, NAMES[-1]), "broken"))


def test_images_with_an_outcome_come_by_pages(client: FlaskClient, tier: Tier) -> None:
    _made(tier)
    assert client.get(f"/api/batches/{BATCH}").json["images"] == []  # type: ignore[index]
    path: str | None = f"/api/batches/{BATCH}?limit=2"
    pages = []
    while path:
        answer = client.get(path)
        assert answer.json
        pages.append([(image["path"], image["state"], image["label"]) for image in answer.json["images"]])
        path = answer.headers.get("Link", "").partition("<")[2].partition(">")[0] or None
    assert pages == [
        [(NAMES[0], "done", "=tabby"), (NAMES[1], "done", "=tabby")],
        [(NAMES[2], "done", "=tabby"), (NAMES[3], "done", "=tabby")],
        [(NAMES[4], "failed", None)],
    ]


def test_every_form_of_results_is_made_of_the_files_once_they_are_written(client: FlaskClient, tier: Tier) -> None:
    _made(tier)
    assert client.get(f"/api/batches/{BATCH}/results.csv").status_code == 409
    part, after = 0, "0"
    while after:
        _, after = tier.runner.results.write(BATCH, part, "" if not part else after)
        part += 1
    tier.runner.progresses.change(BATCH, lambda was: type(was)(listed=True, complete=True, parts=part, published=5))
    table = client.get(f"/api/batches/{BATCH}/results.csv")
    rows = list(csv.DictReader(io.StringIO(table.data.decode("utf-8-sig"), newline="")))
    assert [(row["path"], row["label"], row["reason"]) for row in rows] == [
        *((name, "'=tabby", "") for name in NAMES[:-1]),
        (NAMES[-1], "", "broken"),
    ]
    lines = [json.loads(line) for line in client.get(f"/api/batches/{BATCH}/results.jsonl").data.splitlines()]
    whole = client.get(f"/api/batches/{BATCH}/results.json").json
    assert whole
    assert whole["images"] == lines
    assert lines[0]["top5"] == [{"label": "=tabby", "score": 0.75}]
    same = client.get(f"/api/batches/{BATCH}/results.jsonl", headers={"If-None-Match": table.headers["ETag"]})
    assert same.status_code == 304


def test_results_are_deleted_with_their_batch_and_so_is_how_far_it_has_come(client: FlaskClient, tier: Tier) -> None:
    _made(tier)
    tier.runner.results.write(BATCH, 0, "")
    assert client.delete(f"/api/batches/{BATCH}").status_code == 204
    assert tier.runner.progresses.read(BATCH) is None
    assert list(tier.runner.results._bucket.list(results_of(BATCH))) == []
