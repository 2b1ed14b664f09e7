"""What can be ordered of a batch, and what becomes of its images then."""

from __future__ import annotations

import json

import pytest

from tests.support import photographs
from tests.support.web import Site

CAT = photographs.chelsea()
UNKNOWN = "20200101T000000000Z-00000000"


def test_what_waits_of_a_cancelled_batch_is_cancelled_everywhere_and_a_late_result_counts(site: Site) -> None:
    id = site.upload(("a.png", CAT), ("b.png", CAT), ("c.png", CAT))["id"]
    site.classify(f"{id}/a.png")
    stream = site.events(id)
    stream.until("current")
    answer = site.post(f"/api/batches/{id}/cancel")
    assert answer.status == 200
    assert answer.json()["record"]["cancelled_at"]
    told = stream.until("done")
    assert [(event["event"], json.loads(event["data"])["path"]) for event in told[:-1]] == [
        ("image-cancelled", "b.png"),
        ("image-cancelled", "c.png"),
    ]
    assert json.loads(told[-1]["data"]) == {"total": 3, "waiting": 0, "done": 1, "failed": 0, "cancelled": 2}
    assert stream.next() is None
    site.classify(f"{id}/b.png", "late")
    batch = site.batch(id)
    assert batch["record"]["cancelled_at"] == answer.json()["record"]["cancelled_at"]
    assert {image["path"]: (image["state"], image["label"]) for image in batch["images"]} == {
        "a.png": ("done", "tabby"),
        "b.png": ("done", "late"),
        "c.png": ("cancelled", None),
    }
    assert site.post(f"/api/batches/{id}/cancel").json()["record"] == batch["record"]


def test_nothing_can_be_added_to_a_cancelled_batch(site: Site) -> None:
    id = site.upload(("a.png", CAT))["id"]
    site.post(f"/api/batches/{id}/cancel")
    answer = site.post(f"/api/batches/{id}/images", fields=[("files", ("b.png", CAT))])
    assert (answer.status, answer.headers["Content-Type"]) == (409, "application/problem+json")
    assert site.keys(id) == [f"{id}/a.png"]


@pytest.mark.parametrize("id", [UNKNOWN, "x", "_celery"])
@pytest.mark.parametrize("order", ["cancel"])
def test_what_is_no_batch_cannot_be_ordered_anything(site: Site, id: str, order: str) -> None:
    assert site.post(f"/api/batches/{id}/{order}").status == 404
    assert site.get(f"/api/batches/{id}").status == 404
