"""Every answer says which request it is of, and by which version of the API; so do the log and problems."""

from __future__ import annotations

import re

import pytest

from tests.support import photographs
from tests.support.waiting import wait_for
from tests.support.web import Site

CAT = photographs.chelsea()


def test_a_client_s_own_id_is_in_the_answer_and_in_every_line_of_the_log(site: Site) -> None:
    files = [("files", ("a.png", CAT)), ("files", ("b.png", b"no image"))]
    answer = site.post("/api/batches", fields=files, headers={"X-Request-Id": "the-client.s:1"})
    assert answer.headers["X-Request-Id"] == "the-client.s:1"
    for event in ("image_rejected", "images_queued", "upload_taken"):
        wait_for(
            lambda event=event: [line for line in site.logged(event) if line.get("request_id") == "the-client.s:1"]
        )


@pytest.mark.parametrize("given", [None, "", "two words", 'a"b', "x" * 129, "<script>"])
def test_an_id_that_is_none_is_replaced_by_one_of_ours(site: Site, given: str | None) -> None:
    headers = {} if given is None else {"X-Request-Id": given}
    ids = {site.get("/healthz", headers=headers).headers["X-Request-Id"] for _ in range(3)}
    assert len(ids) == 3
    assert all(re.fullmatch("[0-9a-f]{16}", id) for id in ids)


def test_a_problem_names_the_request_that_it_is_of(site: Site) -> None:
    answer = site.get("/nowhere")
    assert answer.json()["request_id"] == answer.headers["X-Request-Id"]


def test_every_answer_has_the_version_and_another_one_is_refused_with_what_to_do(site: Site) -> None:
    assert site.get("/healthz", headers={"Elastiq-Version": "1"}).headers["Elastiq-Version"] == "1"
    answer = site.get("/healthz", headers={"Elastiq-Version": "2"})
    assert answer.status == 400
    assert answer.headers["Elastiq-Version"] == "1"
    assert "Elastiq-Version" in answer.json()["detail"]
