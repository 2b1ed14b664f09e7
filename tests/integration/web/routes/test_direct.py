"""Files that go straight to the bucket: checked like all others, whatever their forms are used for afterwards."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from app import aws
from app.access.keys import KeyStore, make
from app.access.scopes import READ, SUBMIT
from app.storage import STAGED
from tests.support import photographs
from tests.support.direct import ON, batch, completed, invited, put, upload
from tests.support.web import Site, serving

CAT = photographs.chelsea()
HOSTILE = b"<script>alert(1)</script>"
Serve = Callable[..., Site]
Headers = dict[str, str]


@pytest.fixture(scope="module")
def direct(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A web tier on the buckets of `site`, with direct uploads."""
    with serving(site.environment, tmp_path_factory.mktemp("direct")) as start:
        yield start(**ON)


def staged(site: Site, id: str) -> list[str]:
    s3 = aws.client("s3", site.config.aws)
    found = s3.list_objects_v2(Bucket=site.config.buckets.input, Prefix=f"{STAGED}{id}/")
    return [item["Key"] for item in found.get("Contents", [])]


def told(answer: dict[str, Any]) -> list[tuple[str, str | None]]:
    return [(image["path"], image["reason"]) for image in answer["images"]]


def test_files_are_answered_for_as_if_they_had_come_in_a_form(direct: Site) -> None:
    files = [("a/cat.png", CAT), ("page.png", HOSTILE), ("empty.png", b""), ("../up.png", CAT), ("x\ny.png", CAT)]
    straight, form = upload(direct, batch(direct), *files), direct.upload(*files)

    def same(answer: dict[str, Any]) -> str:
        return str({**answer, "url": ""}).replace(answer["id"], "ID")

    # The line break in a name comes back from either way.
    assert same(straight) == same(form)
    assert (straight["accepted"], straight["rejected"]) == (1, 4)


def test_images_are_stored_as_what_they_are_and_queued_and_nothing_stays_staged(direct: Site) -> None:
    id, queued = batch(direct), direct.queued()
    upload(direct, id, ("cat.png", CAT), ("page.png", HOSTILE))
    s3 = aws.client("s3", direct.config.aws)
    found = s3.get_object(Bucket=direct.config.buckets.input, Key=f"{id}/cat.png")
    assert (found["Body"].read(), found["ContentType"]) == (CAT, "image/png")
    assert direct.keys(id) == [f"{id}/cat.png"]
    assert direct.queued() == queued + 1
    assert staged(direct, id) == []


def test_a_form_that_is_used_again_after_the_check_changes_no_image(direct: Site) -> None:
    id = batch(direct)
    invitation = invited(direct, id, len(CAT))
    put(direct, invitation, CAT)
    first = completed(direct, invitation, "cat.png").json()
    assert put(direct, invitation, bytes(len(CAT))).status == 204
    assert direct.storage.get_image(f"{id}/cat.png") == CAT
    assert completed(direct, invitation, "cat.png").json() == first
    assert direct.keys(id) == [f"{id}/cat.png"]


def test_asked_twice_it_says_the_same_and_queues_nothing_twice(direct: Site) -> None:
    id = batch(direct)
    invitation = invited(direct, id, len(CAT), len(HOSTILE))
    put(direct, invitation, CAT)
    put(direct, invitation, HOSTILE, 1)
    first, queued = completed(direct, invitation, "cat.png", "page.png"), direct.queued()
    again = completed(direct, invitation, "cat.png", "page.png")
    assert (again.status, again.json()) == (201, first.json())
    assert direct.queued() == queued


def test_a_form_takes_one_key_and_so_many_bytes_and_nothing_else(direct: Site) -> None:
    id = batch(direct)
    invitation = invited(direct, id, 5)
    (only,) = invitation["uploads"]
    fields = only["fields"]
    for change in ({"key": f"{id}/cat.png"}, {"key": f"{STAGED}other"}, {"Content-Type": "text/html"}):
        assert (
            put(direct, {**invitation, "uploads": [{**only, "fields": {**fields, **change}}]}, b"12345").status == 403
        )
    for content in (b"1234", b"123456"):
        assert put(direct, {**invitation, "uploads": [{**only, "bytes": 6}]}, content).status == 400
    assert staged(direct, id) == []
    assert put(direct, invitation, b"12345").status == 204
    assert staged(direct, id) == [fields["key"]]


def test_a_file_over_the_limit_is_refused_by_what_shows_it(direct: Site) -> None:
    id, most = batch(direct), direct.config.images.max_file_bytes
    invitation = invited(direct, id, 10 * most)
    assert invitation["uploads"][0]["bytes"] == most + 1
    assert put(direct, invitation, bytes(most + 2)).status == 204
    answer = completed(direct, invitation, "huge.png").json()
    assert told(answer) == [("huge.png", "the file is larger than 20 MB")]
    assert direct.keys(id) == []


def test_an_upload_that_was_cut_is_named_and_those_that_came_are_kept(direct: Site) -> None:
    id = batch(direct)
    invitation = invited(direct, id, len(CAT), len(CAT))
    put(direct, invitation, CAT)
    answer = completed(direct, invitation, "cat.png", "cut.png")
    assert answer.status == 409
    assert invitation["uploads"][1]["upload"] in answer.json()["detail"]
    assert direct.keys(id) == [f"{id}/cat.png"]
    put(direct, invitation, CAT, 1)
    again = completed(direct, invitation, "cat.png", "cut.png")
    assert (again.status, again.json()["accepted"]) == (201, 2)


def test_nobody_has_forms_for_or_completes_uploads_of_another_s_batch(serve: Serve) -> None:
    site = serve(ELASTIQ_AUTH="keys", **ON)
    alice, bob, looker = caller(site, "alice"), caller(site, "bob"), caller(site, "looker", READ)
    mine, theirs = batch(site, alice), batch(site, bob)
    invitation = invited(site, mine, len(CAT), headers=alice)
    put(site, invitation, CAT)
    assert completed(site, invitation, "cat.png", headers=bob).status == 404
    assert completed(site, {**invitation, "id": theirs}, "cat.png", headers=bob).status == 409, "it is not in his batch"
    assert site.post(f"/api/batches/{mine}/uploads", json={"sizes": [1]}, headers=bob).status == 404
    assert site.post(f"/api/batches/{mine}/uploads", json={"sizes": [1]}, headers=looker).status == 403
    assert site.post(f"/api/batches/{mine}/uploads", json={"sizes": [1]}).status == 401
    assert completed(site, invitation, "cat.png", headers=alice).status == 201


def test_the_limits_of_a_caller_count_what_goes_past_the_web_tier(serve: Serve) -> None:
    site = serve(ELASTIQ_AUTH="keys", ELASTIQ_LIMIT_BYTES="1000000", ELASTIQ_LIMIT_IMAGES="1", **ON)
    alice = caller(site, "alice")
    id = batch(site, alice)
    too_many = site.post(f"/api/batches/{id}/uploads", json={"sizes": [600_000] * 2}, headers=alice)
    assert (too_many.status, "bytes in an hour" in too_many.json()["detail"]) == (429, True)
    bob = caller(site, "bob")
    id = batch(site, bob)
    invitation = invited(site, id, len(CAT), headers=bob)
    put(site, invitation, CAT)
    assert completed(site, invitation, "cat.png", headers=bob).status == 201
    waiting = site.post(f"/api/batches/{id}/uploads", json={"sizes": [1]}, headers=bob)
    assert (waiting.status, "wait already" in waiting.json()["detail"]) == (429, True)


def test_a_cancelled_batch_takes_none_and_a_deleted_one_keeps_none(direct: Site) -> None:
    id = batch(direct)
    upload(direct, id, ("cat.png", CAT))
    invitation = invited(direct, id, len(CAT))
    put(direct, invitation, CAT)
    assert direct.post(f"/api/batches/{id}/cancel").status == 200
    assert completed(direct, invitation, "late.png").status == 409
    assert direct.post(f"/api/batches/{id}/uploads", json={"sizes": [1]}).status == 409
    assert direct.http.request("DELETE", f"{direct.url}/api/batches/{id}").status == 204
    assert staged(direct, id) == []
    assert completed(direct, invitation, "late.png").status == 404


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("uploads", {}),
        ("uploads", {"sizes": []}),
        ("uploads", {"sizes": [1.5]}),
        ("uploads", {"sizes": [True]}),
        ("uploads", {"sizes": [-1]}),
        ("uploads", {"sizes": [1] * 1_001}),
        ("uploads/complete", {"files": "all"}),
        ("uploads/complete", {"files": [{"path": "a.png"}]}),
        ("uploads/complete", {"files": [{"path": "a.png", "upload": "../../other"}]}),
        ("uploads/complete", {"files": [{"path": "a.png", "upload": "0" * 32}] * 101}),
    ],
)
def test_what_is_no_list_of_uploads_is_refused_in_words(direct: Site, path: str, body: dict[str, Any]) -> None:
    answer = direct.post(f"/api/batches/{batch(direct)}/{path}", json=body)
    assert (answer.status, "must be a list of 1 to" in answer.json()["detail"]) == (400, True)


def test_half_a_character_in_a_name_costs_no_other_file(direct: Site) -> None:
    invitation = invited(direct, batch(direct), len(CAT))
    put(direct, invitation, CAT)
    file = json.dumps({"upload": invitation["uploads"][0]["upload"], "path": "\ud800.png"})
    headers = {"Content-Type": "application/json"}
    path = f"/api/batches/{invitation['id']}/uploads/complete"
    answer = direct.post(path, body=f'{{"files": [{file}]}}', headers=headers)
    assert (answer.status, told(answer.json())) == (201, [("?.png", None)])


def test_unless_it_is_turned_on_there_is_none_and_pages_may_send_nothing_elsewhere(site: Site, direct: Site) -> None:
    answer = site.post(f"/api/batches/{batch(site)}/uploads", json={"sizes": [1]})
    assert (answer.status, "takes no direct uploads" in answer.json()["detail"]) == (404, True)
    off, on = site.get("/"), direct.get("/")
    assert "connect-src 'self';" in off.headers["Content-Security-Policy"]
    assert f"connect-src 'self' {site.config.aws.endpoint_url};" in on.headers["Content-Security-Policy"]
    assert b'name="direct-uploads" content="no"' in off.data
    assert b'name="direct-uploads" content="yes"' in on.data


def caller(site: Site, name: str, *scopes: str) -> Headers:
    """Return the headers of a caller."""
    text, kept = make(name, frozenset(scopes or {SUBMIT, READ}), datetime.now(UTC))
    KeyStore(site.config).add(kept)
    return {"Authorization": f"Bearer {text}"}
