"""The API around batches: reading them, their tables, and errors."""

from __future__ import annotations

import csv
import io
import json
import re
from datetime import UTC, datetime

import pytest

from app.announcements import WorkerHeartbeat
from app.domain import Failure, Instance, InstanceState
from tests.support import photographs
from tests.support.fleet import Announcer, decision
from tests.support.waiting import wait_for
from tests.support.web import Site

CAT = photographs.chelsea()
UNKNOWN = "20200101T000000000Z-00000000"


def test_a_batch_shows_each_image_with_what_became_of_it(site: Site) -> None:
    id = site.upload(("a.png", CAT), ("b.png", CAT), ("c.png", CAT))["id"]
    site.classify(f"{id}/a.png", "tabby")
    site.storage.save(Failure.of(f"{id}/b.png", "cut short"))
    batch = site.batch(id)
    assert batch["id"] == id
    assert batch["url"].endswith(f"/batches/{id}")
    assert batch["counts"] == {"total": 3, "waiting": 1, "done": 1, "failed": 1, "cancelled": 0}
    assert batch["images"] == [
        {
            "key": f"{id}/a.png",
            "filename": "a.png",
            "path": "a.png",
            "state": "done",
            "label": "tabby",
            "score": 0.75,
            "top5": [{"label": "tabby", "score": 0.75}, {"label": "lynx", "score": 0.25}],
            "reason": None,
        },
        {
            "key": f"{id}/b.png",
            "filename": "b.png",
            "path": "b.png",
            "state": "failed",
            "label": None,
            "score": None,
            "top5": [],
            "reason": "cut short",
        },
        {
            "key": f"{id}/c.png",
            "filename": "c.png",
            "path": "c.png",
            "state": "waiting",
            "label": None,
            "score": None,
            "top5": [],
            "reason": None,
        },
    ]


def test_a_batch_says_what_its_images_wait_for_and_a_stream_of_it_too(heard: Site, announce: Announcer) -> None:
    id = heard.upload(("a.png", CAT))["id"]
    assert heard.batch(id)["waits"]["code"] in {"unheard", "no-autoscaler"}
    starting = (Instance("i-0aaa", InstanceState.PENDING, datetime.now(UTC)),)
    announce.say(decision(fleet=starting, boot_s=40.0))
    wait_for(lambda: heard.batch(id)["waits"]["code"] == "starting")
    assert re.fullmatch(r"an instance is starting, first labels .*", heard.batch(id)["waits"]["says"])
    stream = heard.events(id)
    assert json.loads(stream.until("waits")[-1]["data"])["code"] == "starting"
    announce.say(WorkerHeartbeat(0, 0), "i-0aaa@host")
    # What is starting is told again as its time goes by.
    while (told := json.loads(stream.until("waits")[-1]["data"]))["code"] == "starting":
        pass
    assert told == {"code": "working", "says": "a worker is there"}
    heard.classify(f"{id}/a.png")
    stream.until("done")
    assert heard.batch(id)["waits"] is None


def test_a_client_that_polls_gets_only_what_is_new(site: Site) -> None:
    id = site.upload(("a.png", CAT), ("b.png", CAT))["id"]
    first = site.batch(id)
    site.classify(f"{id}/b.png")
    second = site.get(f"/api/batches/{id}?after={first['cursor']}").json()
    assert [image["filename"] for image in second["images"]] == ["b.png"]
    assert second["counts"] == {"total": 2, "waiting": 1, "done": 1, "failed": 0, "cancelled": 0}
    assert site.get(f"/api/batches/{id}?after={second['cursor']}").json()["images"] == []


def test_a_batch_is_a_table(site: Site) -> None:
    id = site.upload(("a, b.png", CAT), ("=1+1.png", CAT))["id"]
    site.classify(f"{id}/a, b.png", "tiger cat")
    answer = site.get(f"/api/batches/{id}/results.csv")
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert answer.headers["Content-Disposition"] == f"attachment; filename=elastiq-{id}.csv"
    rows = list(csv.reader(io.StringIO(answer.data.decode("utf-8-sig"), newline="")))
    assert rows == [
        ["filename", "label", "score", "state", "reason", "path"],
        ["'=1+1.png", "", "", "waiting", "", "'=1+1.png"],
        ["a, b.png", "tiger cat", "0.750000", "done", "", "a, b.png"],
    ]


@pytest.mark.parametrize("id", [UNKNOWN, "x", "..", "20200101T000000000Z-0000000g", "_celery"])
@pytest.mark.parametrize("rest", ["", "/events", "/results.csv", "/images/cat.png"])
def test_what_does_not_exist_is_said_not_to(site: Site, id: str, rest: str) -> None:
    answer = site.get(f"/api/batches/{id}{rest}")
    assert answer.status == 404
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == 404
    assert problem["title"] == "Not Found"
    assert problem["detail"]


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/nowhere", 404), ("DELETE", "/api/batches", 405)])
def test_every_error_is_a_problem(site: Site, method: str, path: str, status: int) -> None:
    answer = site.http.request(method, site.url + path)
    assert answer.status == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    if status == 405:
        assert "POST" in answer.headers["Allow"]
