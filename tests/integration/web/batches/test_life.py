"""One image's life, from real buckets: what workers left there, and when this process heard of it."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from flask.testing import FlaskClient

from app.domain import Classification, Failure, Life, Prediction, new_batch_id
from app.settings import Settings
from app.storage import Storage
from tests.support import photographs
from web.batches import life as lives
from web.batches.life import Lives, steps
from web.tier import Tier

LIFE = Life("i-0aaa", "tasks.classify", 2, 104.5, queued_at=101.0, received_at=103.0, fetched_at=103.25, run_at=104.0)


def test_steps_are_in_order_with_the_seconds_since_the_one_before_and_who_did_them() -> None:
    found = [(one["step"], one["by"], one["took_s"]) for one in steps(100.0, LIFE, 104.75)]
    assert found == [
        ("uploaded", "web", None),
        ("queued", "SQS", 1.0),
        ("received", "i-0aaa", 2.0),
        ("fetched", "i-0aaa", 0.25),
        ("run", "i-0aaa", 0.75),
        ("stored", "i-0aaa", 0.5),
        ("announced", "web", 0.25),
    ]


def test_an_image_that_waits_has_been_uploaded_and_a_clock_that_is_wrong_takes_no_time_back() -> None:
    assert [one["step"] for one in steps(100.0, None, None)] == ["uploaded"]
    assert steps(102.0, LIFE, None)[1]["took_s"] == 0


@pytest.mark.parametrize("failed", [False, True])
def test_what_a_worker_stored_is_told_by_the_api(
    client: FlaskClient, tier: Tier, config: Settings, failed: bool
) -> None:
    answer = client.post("/api/batches", data={"files": (io.BytesIO(photographs.chelsea()), "sub/cat one.png")})
    (image,) = answer.json["images"]  # type: ignore[index]
    key, (batch, path) = image["key"], image["key"].split("/", 1)
    assert [one["step"] for one in client.get(f"/api/batches/{batch}/life/{path}").json["steps"]] == ["uploaded"]  # type: ignore[index]

    outcome = Failure.of(key, "cut short") if failed else Classification.of(key, [Prediction("tabby", 0.9)], "m")
    Storage(config).save(outcome, LIFE)
    tier.lives.heard(key, replace(LIFE, stored_at=104.25))
    told = client.get(f"/api/batches/{batch}/life/{path}").json
    assert told is not None
    assert (told["key"], told["worker"], told["receives"]) == (key, "i-0aaa", 2)
    steps_told = [one["step"] for one in told["steps"]]
    assert told["steps"][-2]["at"] == 104.25, "what the worker said once it was stored"
    assert steps_told == ["uploaded", "queued", "received", "fetched", "run", "stored", "announced"]
    assert Storage(config).outcome(key) == outcome


def test_an_image_that_is_not_there_has_no_life(client: FlaskClient) -> None:
    batch = new_batch_id(datetime.now(UTC), b"none")
    assert client.get(f"/api/batches/{batch}/life/cat.png").status_code == 404
    assert client.get("/api/batches/nonsense/life/cat.png").status_code == 404


def test_what_was_heard_is_forgotten_when_there_is_more(config: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lives, "KEPT", 2)
    storage = Storage(config)
    for name in ("a", "b", "c"):
        storage.put_image(f"x/{name}.png", photographs.chelsea(), "image/png")
    looking = Lives(storage, lambda: 4e9)
    for name in ("a", "b", "c"):
        looking.heard(f"x/{name}.png")
    last = [looking.read(f"x/{name}.png")["steps"][-1]["step"] for name in ("a", "b", "c")]  # type: ignore[index]
    assert last == ["uploaded", "announced", "announced"]
