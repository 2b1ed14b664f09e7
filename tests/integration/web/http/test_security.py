"""What protects a browser, as a running web tier answers."""

from __future__ import annotations

from tests.support import photographs
from tests.support.web import Site

CAT = photographs.chelsea()


def test_a_page_of_another_site_can_give_no_orders(site: Site) -> None:
    for path, field in (("/api/batches", "files"), ("/", "myfile")):
        for origin in ("cross-site", "same-site"):
            answer = site.post(path, fields={field: ("a.png", CAT)}, headers={"Sec-Fetch-Site": origin})
            assert answer.status == 403
    ours = site.post("/api/batches", fields={"files": ("a.png", CAT)}, headers={"Sec-Fetch-Site": "same-origin"})
    assert ours.status == 201
