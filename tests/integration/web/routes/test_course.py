"""The course contract: a request that waits for its label."""

from __future__ import annotations

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from app.domain import Failure
from tests.support import photographs
from tests.support.fault_proxy import FaultProxy
from tests.support.waiting import wait_for
from tests.support.web import Labeller, Site

CAT, COFFEE = photographs.chelsea(), photographs.coffee()

Serve = Callable[..., Site]


@pytest.mark.parametrize(
    ("field", "name", "text"),
    [
        ("myfile", "test_7.JPEG", "label of test_7.JPEG"),
        ("inputFile", "test_8.JPEG", "test_8:label of test_8.JPEG"),
        ("inputFile", "a.b.jpg", "a.b:label of a.b.jpg"),
        ("inputFile", "2023/a.jpg", "a:label of 2023/a.jpg"),
        ("inputFile", "plain", "plain:label of plain"),
    ],
)
def test_one_image_in_is_one_label_out(site: Site, field: str, name: str, text: str) -> None:
    with Labeller(site):
        answer = site.post("/", fields={field: (name, CAT)})
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert answer.data.decode() == text


def test_a_hundred_requests_wait_at_once_through_a_cold_start(serve: Serve, proxy: FaultProxy) -> None:
    site = serve(AWS_ENDPOINT_URL=proxy.endpoint_url)
    with ThreadPoolExecutor(100) as pool:
        names = [f"test_{n}.jpg" for n in range(100)]
        answers = [pool.submit(site.post, "/", fields={"inputFile": (name, CAT + name.encode())}) for name in names]
        wait_for(lambda: site.queued() == 100, 60)
        looked = proxy.calls["ListObjectsV2"]
        wait_for(lambda: proxy.calls["ListObjectsV2"] > looked + 3, 60)
        assert not any(answer.done() for answer in answers)
        assert site.get("/healthz").status == 200
        with Labeller(site):
            texts = [answer.result(60).data.decode() for answer in answers]
    assert texts == [f"test_{n}:label of test_{n}.jpg" for n in range(100)]


def test_the_same_image_sent_again_is_answered_from_its_result(serve: Serve) -> None:
    site = serve()
    with Labeller(site):
        site.post("/", fields={"myfile": ("a.png", CAT)})
    answer = site.post("/", fields={"myfile": ("a.png", CAT)})
    assert answer.data == b"label of a.png"
    assert site.queued() == 1


def test_another_image_of_the_same_name_keeps_its_own_name_in_the_answer(serve: Serve) -> None:
    site = serve()
    with Labeller(site):
        site.post("/", fields={"inputFile": ("a.png", CAT)})
        assert site.post("/", fields={"inputFile": ("a.png", COFFEE)}).data == b"a:label of a (2).png"


def test_an_image_that_fails_is_answered_with_its_reason(site: Site) -> None:
    with ThreadPoolExecutor(1) as pool:
        before = set(site.all_keys())
        answer = pool.submit(site.post, "/", fields={"myfile": ("broken.png", CAT)})
        key = wait_for(lambda: set(site.all_keys()) - before, 20).pop()
        site.storage.save(Failure.of(key, "the image is damaged"))
        failed = answer.result(20)
    assert failed.status == 422
    assert failed.json()["detail"] == "the image is damaged"


@pytest.mark.parametrize(
    ("fields", "status", "detail"),
    [
        ([("myfile", ("a.jpg", b"text"))], 422, "not an image"),
        ([("myfile", ("", CAT))], 422, "no name"),
        ([("picture", ("a.png", CAT))], 400, "'myfile' or 'inputFile'"),
        ([("myfile", ("a.png", CAT)), ("myfile", ("b.png", CAT))], 400, "one image a request"),
    ],
)
def test_what_cannot_be_classified_is_answered_at_once(
    site: Site, fields: list[tuple[str, tuple[str, bytes]]], status: int, detail: str
) -> None:
    answer = site.post("/", fields=fields)
    assert answer.status == status
    assert detail in answer.json()["detail"]


def test_a_label_that_does_not_come_in_time_is_a_timeout_that_says_where_it_will_be(serve: Serve) -> None:
    site = serve(ELASTIQ_WAIT_SECONDS="1")
    answer = site.post("/", fields={"myfile": ("a.png", CAT)})
    assert answer.status == 504
    assert re.search(r"\((nothing has been heard|no worker is heard).*\); the image", answer.json()["detail"])
    assert "queued still" in answer.json()["detail"]
    assert site.queued() == 1
