"""The page: the same at every batch's address, and all of it from here."""

from __future__ import annotations

import re

import pytest
from flask.testing import FlaskClient

from tests.support.web import Site

UNKNOWN = "20200101T000000000Z-00000000"


def test_the_page_loads_only_from_here_and_holds_nothing_inline(site: Site) -> None:
    answer = site.get("/")
    assert answer.status == 200
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    page = answer.data.decode()
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=|javascript:", page)
    for url in re.findall(r'(?:src|href)="([^"]+)"', page):
        assert url.startswith(("/", "#"))
        if url.startswith("/"):
            assert site.get(url).status == 200


@pytest.mark.parametrize(("id", "status"), [(UNKNOWN, 200), ("<script>", 404)])
def test_a_batch_s_address_is_the_page(site: Site, id: str, status: int) -> None:
    answer = site.get(f"/batches/{id}")
    assert answer.status == status
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert id not in answer.data.decode() or id != "<script>"


def test_the_page_is_asked_for_anew_each_time_and_knows_how_large_a_file_may_be(client: FlaskClient) -> None:
    for path in ("/", f"/batches/{UNKNOWN}"):
        answer = client.get(path)
        assert answer.headers["Cache-Control"] == "no-cache"
        assert 'name="max-file-bytes" content="20000000"' in answer.text


def test_the_page_is_the_same_for_every_batch(client: FlaskClient) -> None:
    assert client.get("/").text == client.get(f"/batches/{UNKNOWN}").text == client.get("/batches/none").text
