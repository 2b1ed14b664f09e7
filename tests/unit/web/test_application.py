"""The application behind a proxy that shows it under a path."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from flask.testing import FlaskClient

from app.settings import Settings, WebSettings
from web.application import create_app

FORWARDED = {"X-Forwarded-Prefix": "/elastiq", "X-Forwarded-Host": "lab.example.org", "X-Forwarded-Proto": "https"}


def client(proxies: int) -> FlaskClient:
    return create_app(replace(Settings(), web=WebSettings(trusted_proxies=proxies))).test_client()


@pytest.mark.parametrize("path", ["/", "/monitor", "/batches/20200101T000000000Z-00000000"])
def test_a_page_behind_a_proxy_names_only_addresses_under_its_path(path: str) -> None:
    site = client(1)
    page = site.get(path, headers=FORWARDED).text
    assert '<html lang="en" data-root="/elastiq">' in page
    addresses = [found for found in re.findall(r'(?:src|href)="([^"#]+)"', page)]
    assert len(addresses) > 3
    for address in addresses:
        assert address.startswith("/elastiq/")
        with site.get(address.removeprefix("/elastiq"), headers=FORWARDED) as answer:
            assert answer.status_code == 200


def test_a_batch_made_behind_a_proxy_has_the_address_that_its_client_can_reach() -> None:
    made = client(1).post("/api/batches", headers=FORWARDED)
    id = made.get_json()["id"]
    assert made.headers["Location"] == f"/elastiq/api/batches/{id}"
    assert made.get_json()["url"] == f"https://lab.example.org/elastiq/batches/{id}"


def test_a_proxy_that_nobody_trusts_changes_no_address() -> None:
    site = client(0)
    assert 'data-root=""' in site.get("/", headers=FORWARDED).text
    made = site.post("/api/batches", headers=FORWARDED)
    assert made.headers["Location"] == f"/api/batches/{made.get_json()['id']}"
    assert made.get_json()["url"].startswith("http://localhost/batches/")


def test_only_the_proxies_that_there_are_are_believed() -> None:
    forged = {name: f"/forged, {value}" for name, value in FORWARDED.items()}
    assert 'data-root="/elastiq"' in client(1).get("/", headers=forged).text
