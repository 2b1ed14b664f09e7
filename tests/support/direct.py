"""Uploads that go past the web tier, as a client of the HTTP API makes them."""

from __future__ import annotations

from typing import Any

import urllib3

from tests.support.web import File, Site

ON = {"ELASTIQ_DIRECT_UPLOADS": "http://127.0.0.1:8000"}
Headers = dict[str, str]


def batch(site: Site, headers: Headers | None = None) -> str:
    """Make a batch, and return its id."""
    answer = site.post("/api/batches", headers=headers or {})
    assert answer.status == 201, answer.data
    return str(answer.json()["id"])


def invited(site: Site, id: str, *sizes: int, headers: Headers | None = None) -> dict[str, Any]:
    """Return where files of these sizes may go."""
    answer = site.post(f"/api/batches/{id}/uploads", json={"sizes": sizes}, headers=headers or {})
    assert answer.status == 201, answer.data
    return dict(answer.json())


def put(site: Site, invitation: dict[str, Any], content: bytes, at: int = 0) -> urllib3.BaseHTTPResponse:
    """Send one file by its form."""
    upload = invitation["uploads"][at]
    file = ("file", ("blob", content[: upload["bytes"]], "application/octet-stream"))
    return site.http.request("POST", invitation["bucket_url"], fields=[*upload["fields"].items(), file])


def completed(
    site: Site, invitation: dict[str, Any], *paths: str, headers: Headers | None = None
) -> urllib3.BaseHTTPResponse:
    """Say that the first files are there."""
    files = [
        {"upload": upload["upload"], "path": path} for upload, path in zip(invitation["uploads"], paths, strict=False)
    ]
    return site.post(f"/api/batches/{invitation['id']}/uploads/complete", json={"files": files}, headers=headers or {})


def upload(site: Site, id: str, *files: File) -> dict[str, Any]:
    """Upload files into a batch; return the answer, which must be 201."""
    invitation = invited(site, id, *(len(content) for _, content in files))
    for at, (_, content) in enumerate(files):
        assert put(site, invitation, content, at).status == 204
    answer = completed(site, invitation, *(name for name, _ in files))
    assert answer.status == 201, answer.data
    return dict(answer.json())
