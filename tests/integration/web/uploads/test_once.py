"""A request that its client has named, sent again: to the same web process, to another one, and with other files."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NoReturn

import pytest
from urllib3.exceptions import ProtocolError

from app.batches.promises import Promises
from app.errors import TransientError
from app.settings import Settings
from tests.support import photographs
from tests.support.web import Site
from web.uploads.once import Once

CAT = photographs.chelsea()


def files(*names: str) -> dict[str, Any]:
    return {"fields": [("files", (name, CAT)) for name in names]}


def options(name: str) -> dict[str, Any]:
    return {"body": json.dumps({"name": name}).encode()}


def send(site: Site, key: str, sent: dict[str, Any]) -> Any:
    headers = {"Idempotency-Key": key, **({"Content-Type": "application/json"} if "body" in sent else {})}
    return site.post("/api/batches", **sent, headers=headers)


@pytest.mark.parametrize(
    ("sent", "other"),
    [(files("a.png", "b.png"), files("a.png")), (options("mine"), options("other")), ({}, files("a.png"))],
    ids=["files", "options", "nothing"],
)
def test_it_makes_one_batch_in_every_web_process_and_another_body_is_refused(
    serve: Callable[..., Site], sent: dict[str, Any], other: dict[str, Any]
) -> None:
    one, two = serve(), serve()
    first = send(one, "key", sent)
    assert first.status == 201, first.data
    again = send(two, "key", sent)
    assert (again.status, again.headers["Location"]) == (201, first.headers["Location"])
    assert again.json() == first.json()
    refused = send(two, "key", other)
    assert refused.status == 422
    assert first.json()["id"] in refused.json()["detail"]
    assert send(two, "another", sent).json()["id"] != first.json()["id"]


def test_two_at_once_make_one_batch_and_the_second_is_told_that_it_is_under_way(site: Site) -> None:
    def one(_: int) -> Any:
        try:
            return send(site, "at once", files("a.png"))
        except ProtocolError:  # it was refused while it still sent, and its connection ended
            return None

    with ThreadPoolExecutor(6) as pool:
        answers = list(filter(None, pool.map(one, range(6))))
    assert {answer.status for answer in answers} <= {201, 409}
    (id,) = {answer.json()["id"] for answer in answers if answer.status == 201}
    assert site.keys(id) == [f"{id}/a.png"]


def test_one_that_failed_goes_on_in_its_batch(config: Settings) -> None:
    def fail(id: str) -> NoReturn:
        raise TransientError(f"{id} cannot be stored now")

    once = Once(Promises(config))
    with pytest.raises(TransientError, match="batch-1 cannot"):
        once.answer("", "key", "batch-1", fail, str)
    assert once.answer("", "key", "batch-2", lambda id: ({"id": id}, ""), str) == {"id": "batch-1"}
