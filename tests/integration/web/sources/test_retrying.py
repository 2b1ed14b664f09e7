"""Trying a batch with a source again: what failed, and what was cancelled."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from flask.testing import FlaskClient

from app import aws
from app.batches.record import BatchRecord
from app.domain import Classification, Failure, Prediction
from app.sources.progress import Progress
from app.sources.source import key_of
from web.tier import Tier

BATCH = "20991128T101530123Z-9f2c01ab"
NAMES = [f"photos/{n}.jpg" for n in range(4)]


def _made(tier: Tier) -> None:
    """Have a batch with a source that is complete: two images have a label, two have failed."""
    buckets = tier.settings.buckets
    for name in NAMES:
        aws.client("s3", tier.settings.aws).put_object(Bucket=buckets.input, Key=name, Body=b"x")
    tier.records.make(BatchRecord(BATCH, source={"bucket": buckets.input, "prefix": "photos/"}, priority="bulk"))
    tier.runner.progresses.begin(BATCH)
    for name in NAMES[:2]:
        tier.storage.save(Classification.of(key_of(BATCH, name), [Prediction("tabby", 0.75)], "test"))
    for name in NAMES[2:]:
        tier.storage.save(Failure.of(key_of(BATCH, name), "broken"))
    finished = Progress(published=4, listed=True, done=2, failed=2, parts=1, complete=True, runner="other")
    tier.runner.progresses.change(BATCH, lambda was: finished)


def _progress(tier: Tier) -> Progress:
    found = tier.runner.progresses.read(BATCH)
    assert found is not None
    return found


def test_what_failed_is_published_again_and_counted_anew(client: FlaskClient, tier: Tier) -> None:
    _made(tier)
    answer = client.post(f"/api/batches/{BATCH}/retry", json={"paths": [NAMES[2]]})
    assert answer.json
    assert (answer.status_code, answer.json["images"]) == (202, 1)
    assert tier.queue.depth().total == 1
    assert tier.storage.outcome(key_of(BATCH, NAMES[2])) is None
    assert (_progress(tier).state, _progress(tier).published) == ("working", 4)
    tier.runner.round()
    assert _progress(tier).counts() == {"total": 4, "waiting": 1, "done": 2, "failed": 1, "cancelled": 0}


def test_with_nothing_that_failed_it_stays_complete(client: FlaskClient, tier: Tier) -> None:
    _made(tier)
    assert client.post(f"/api/batches/{BATCH}/retry", json={"paths": ["none"]}).status_code == 202
    assert _progress(tier).complete


def test_one_that_was_cancelled_goes_on_with_all_that_has_no_label(client: FlaskClient, tier: Tier) -> None:
    _made(tier)
    tier.storage.forget_failures([key_of(BATCH, NAMES[2])])
    tier.runner.progresses.change(BATCH, lambda was: replace(was, failed=1))
    tier.orders.cancelling.cancel(BATCH, datetime.now(UTC) - timedelta(hours=1))
    assert client.post(f"/api/batches/{BATCH}/retry").status_code == 409
    assert client.post(f"/api/batches/{BATCH}/retry", json={"cancelled": True, "paths": NAMES}).status_code == 409
    answer = client.post(f"/api/batches/{BATCH}/retry", json={"cancelled": True})
    assert answer.json
    assert (answer.status_code, answer.json["images"]) == (202, 2)
    assert answer.json["record"]["cancelled_at"] is None
    tier.runner.round()
    assert tier.queue.depth().total == 2, "those with a label are not classified anew"
    tier.runner.round()
    assert _progress(tier).counts() == {"total": 4, "waiting": 2, "done": 2, "failed": 0, "cancelled": 0}
