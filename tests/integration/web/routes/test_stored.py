"""What a batch has, for whoever goes on with an upload."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.support import photographs
from tests.support.web import Site
from web.routes import stored as module

CAT = photographs.chelsea()
UNKNOWN = "20200101T000000000Z-00000000"


def stored(site: Site, id: str) -> dict[str, Any]:
    answer = site.get(f"/api/batches/{id}/stored")
    assert answer.status == 200
    assert answer.headers["Cache-Control"] == "no-store"
    return dict(answer.json())


def test_what_was_stored_is_told_with_its_path_its_size_and_when_and_what_was_refused_is_not(site: Site) -> None:
    id = site.upload(("2023/a b.png", CAT), ("c.png", CAT[:9000] + CAT[9000:]), ("none.jpg", b"no photograph"))["id"]
    found = stored(site, id)
    assert [(file["key"], file["path"], file["size"]) for file in found["files"]] == [
        (f"{id}/2023/a b.png", "2023/a b.png", len(CAT)),
        (f"{id}/c.png", "c.png", len(CAT)),
    ]
    at = datetime.fromisoformat(found["files"][0]["stored_at"])
    assert abs(datetime.now(UTC) - at) < timedelta(hours=1)
    assert (found["id"], found["next"]) == (id, None)


def test_a_batch_that_nothing_was_stored_of_has_nothing_and_no_id_is_not_found(site: Site) -> None:
    assert stored(site, UNKNOWN)["files"] == []
    answer = site.get("/api/batches/nonsense/stored")
    assert answer.status == 404
    assert "there is no batch 'nonsense'" in answer.json()["detail"]


def test_of_more_than_an_answer_holds_the_next_one_begins_behind_the_last(
    client: Any, tier: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST", 2)
    for name in ("a.png", "b/1.png", "b/2.png", "c.png", "d.png"):
        tier.storage.put_image(f"{UNKNOWN}/{name}", CAT, "image/png")
    pages, after = [], ""
    while after is not None:
        answer = client.get(f"/api/batches/{UNKNOWN}/stored", query_string={"after": after}).json
        pages.append([file["path"] for file in answer["files"]])
        after = answer["next"]
    assert pages == [["a.png", "b/1.png"], ["b/2.png", "c.png"], ["d.png"]]
