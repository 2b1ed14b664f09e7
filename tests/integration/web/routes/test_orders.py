"""What can be ordered of a batch, and what becomes of its images then."""

from __future__ import annotations

import json

import pytest

from app.domain import Failure
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
@pytest.mark.parametrize("order", ["cancel", "retry"])
def test_what_is_no_batch_cannot_be_ordered_anything(site: Site, id: str, order: str) -> None:
    assert site.post(f"/api/batches/{id}/{order}").status == 404
    assert site.http.request("DELETE", f"{site.url}/api/batches/{id}").status == 404
    assert site.get(f"/api/batches/{id}").status == 404


def test_what_failed_is_tried_again_and_has_the_new_outcome_alone(site: Site) -> None:
    id = site.upload(("a.png", CAT), ("b.png", CAT), ("c.png", CAT), ("refused.png", b"none"))["id"]
    site.classify(f"{id}/a.png")
    for name in ("b.png", "c.png"):
        site.storage.save(Failure.of(f"{id}/{name}", "cut short"))
    assert site.batch(id)["counts"] == {"total": 4, "waiting": 0, "done": 1, "failed": 3, "cancelled": 0}
    before = site.queued()
    answer = site.post(f"/api/batches/{id}/retry", json={"paths": ["b.png", "a.png", "unknown.png"]})
    assert (answer.status, answer.json()["images"]) == (202, 1)
    assert site.queued() == before + 1
    assert _states(site, id) == {"a.png": "done", "b.png": "waiting", "c.png": "failed", "refused.png": "failed"}
    assert site.post(f"/api/batches/{id}/retry").json()["images"] == 1
    site.classify(f"{id}/b.png", "lynx")
    assert _states(site, id) == {"a.png": "done", "b.png": "done", "c.png": "waiting", "refused.png": "failed"}
    assert sorted(name for name in site.storage.outcomes(id) if "b.png" in name) == [f"{id}/b.png.txt"]


def test_what_was_cancelled_is_tried_again_only_if_that_is_asked_for(site: Site) -> None:
    id = site.upload(("a.png", CAT), ("b.png", CAT))["id"]
    site.storage.save(Failure.of(f"{id}/a.png", "cut short"))
    site.post(f"/api/batches/{id}/cancel")
    assert site.post(f"/api/batches/{id}/retry").status == 409
    assert _states(site, id) == {"a.png": "failed", "b.png": "cancelled"}
    answer = site.post(f"/api/batches/{id}/retry", json={"cancelled": True})
    assert (answer.json()["images"], answer.json()["record"]["cancelled_at"]) == (2, None)
    assert _states(site, id) == {"a.png": "waiting", "b.png": "waiting"}
    site.upload(("c.png", CAT), path=f"/api/batches/{id}/images")


@pytest.mark.parametrize("body", [b"[]", b"{", b'{"paths": "a.png"}', b'{"cancelled": 1}', b'{"colour": "red"}'])
def test_a_retry_of_something_else_is_refused(site: Site, body: bytes) -> None:
    id = site.upload(("a.png", CAT))["id"]
    answer = site.post(f"/api/batches/{id}/retry", body=body, headers={"Content-Type": "application/json"})
    assert (answer.status, answer.headers["Content-Type"]) == (400, "application/problem+json")


def test_a_deleted_batch_is_gone_with_all_that_belonged_to_it(site: Site) -> None:
    id = site.upload(("a.png", CAT), ("b.png", CAT), ("refused.png", b"none"))["id"]
    kept = site.upload(("a.png", CAT))["id"]
    site.classify(f"{id}/a.png")
    stream = site.events(id)
    stream.until("current")
    assert site.http.request("DELETE", f"{site.url}/api/batches/{id}").status == 204
    while stream.next():
        pass  # it ends
    assert site.keys(id) == []
    assert list(site.storage.outcomes(id)) == []
    for path in ("", "/events", "/results.csv", "/images/a.png", "/life/a.png", "/stored"):
        assert site.get(f"/api/batches/{id}{path}").status == 404, path
    assert site.post(f"/api/batches/{id}/images", fields=[("files", ("c.png", CAT))]).status == 404
    assert site.http.request("DELETE", f"{site.url}/api/batches/{id}").status == 204
    assert site.batch(kept)["counts"]["total"] == 1


def _states(site: Site, id: str) -> dict[str, str]:
    return {image["path"]: image["state"] for image in site.batch(id)["images"]}
