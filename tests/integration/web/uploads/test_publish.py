"""Publishing: what the queue did not accept is stored, and said."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support import photographs
from tests.support.fault_proxy import FaultProxy
from tests.support.web import Site

CAT, COFFEE = photographs.chelsea(), photographs.coffee()

Serve = Callable[..., Site]


@pytest.mark.parametrize(
    ("path", "field", "count"), [("/api/batches", "files", 2), ("/api/batches", "files", 1), ("/", "myfile", 1)]
)
def test_images_that_the_queue_refuses_are_stored_and_that_is_said(
    serve: Serve, proxy: FaultProxy, path: str, field: str, count: int
) -> None:
    site = serve(AWS_ENDPOINT_URL=proxy.endpoint_url)
    proxy.fault("SendMessageBatch", "403")
    refused = site.post(path, fields=[(field, (f"{n}.png", CAT)) for n in range(count)])
    assert refused.status == 500
    assert refused.headers["Content-Type"] == "application/problem+json"
    assert "the images are stored, but cannot be queued" in refused.json()["detail"]
    assert len(site.all_keys()) == count


def test_images_that_could_not_be_published_are_published_when_they_are_sent_again(
    serve: Serve, proxy: FaultProxy
) -> None:
    site = serve(AWS_ENDPOINT_URL=proxy.endpoint_url)
    proxy.fault("SendMessageBatch", "403")
    fields = [("files", ("a.png", CAT)), ("files", ("b.png", COFFEE))]
    id = site.post("/api/batches", fields=fields).json()["batch"]
    assert len(site.keys(id)) == 2
    assert site.queued() == 0
    proxy.mend()
    assert site.post(f"/api/batches/{id}/images", fields=fields).status == 201
    assert site.queued() == 2
    assert len(site.keys(id)) == 2
