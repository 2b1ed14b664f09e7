"""What one caller may ask of a real web process, and that others are not kept from it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import urllib3
from flask import Flask

from app.access.keys import KeyStore, make
from app.access.scopes import READ, SUBMIT
from app.access.users import line
from app.announcements import ImageClassified
from app.domain import Classification, Prediction
from app.errors import ConfigurationError
from app.settings import LimitSettings
from tests.support import photographs
from tests.support.fleet import announcer, wait_for_listener
from tests.support.redis_server import RedisServer, redis_server
from tests.support.waiting import wait_for
from tests.support.web import Site
from web.access.backlog import Backlog
from web.access.limits import PIECE_BYTES, Limits

CAT = photographs.chelsea()
Serve = Callable[..., Site]
Headers = dict[str, str]


def callers(site: Site) -> tuple[Headers, Headers]:
    """Return the headers of two callers."""
    found = []
    for name in ("alice", "bob"):
        text, kept = make(name, frozenset({SUBMIT, READ}), datetime.now(UTC))
        KeyStore(site.config).add(kept)
        found.append({"Authorization": f"Bearer {text}"})
    return found[0], found[1]


def refused(answer: urllib3.BaseHTTPResponse) -> bool:
    """Return whether this is a 429, which says what to do."""
    if answer.status != 429:
        return False
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert int(answer.headers["Retry-After"]) > 0
    assert "again" in answer.json()["detail"] or "instead" in answer.json()["detail"]
    return True


def test_requests_are_limited_by_caller_and_what_is_open_to_all_is_not(serve: Serve) -> None:
    site = serve(ELASTIQ_AUTH="keys", ELASTIQ_LIMIT_REQUESTS="5")
    alice, bob = callers(site)
    answers = [site.get("/", headers=alice) for _ in range(7)]
    assert [answer.status for answer in answers[:5]] == [200] * 5
    assert all(map(refused, answers[5:]))
    assert refused(site.post("/api/batches", headers=alice)), "all routes count together"
    assert site.get("/", headers=bob).status == 200
    assert {site.get("/healthz", headers=alice).status for _ in range(7)} == {200}


def test_bytes_are_limited_also_of_a_body_whose_length_nobody_knows(serve: Serve) -> None:
    site = serve(ELASTIQ_AUTH="keys", ELASTIQ_LIMIT_BYTES=str(4 * PIECE_BYTES))
    alice, bob = callers(site)
    form = {"files": ("a.png", CAT)}
    assert site.post("/api/batches", fields=form, headers=alice).status == 201
    boundary = {"Content-Type": "multipart/form-data; boundary=x"}

    def chunks() -> Iterator[bytes]:
        yield b'--x\r\nContent-Disposition: form-data; name="files"; filename="b.png"\r\n\r\n'
        for _ in range(6):
            yield bytes(PIECE_BYTES)
        yield b"\r\n--x--\r\n"

    assert refused(site.post("/api/batches", body=chunks(), headers={**alice, **boundary}))
    large = {"files": ("c.png", bytes(PIECE_BYTES))}
    assert refused(site.post("/api/batches", fields=large, headers=alice)), "what was read of it counted"
    assert site.post("/api/batches", fields=large, headers=bob).status == 201
    assert site.post("/api/batches", fields=form, headers=bob).status == 201


def test_images_that_wait_are_limited_until_they_are_done(serve: Serve) -> None:
    site = serve(ELASTIQ_AUTH="keys", ELASTIQ_LIMIT_IMAGES="2")
    wait_for_listener(site.config)
    alice, bob = callers(site)

    def upload(who: Headers) -> urllib3.BaseHTTPResponse:
        return site.post("/api/batches", fields=[("files", (f"{n}.png", CAT)) for n in range(2)], headers=who)

    first = upload(alice)
    assert first.status == 201
    assert refused(upload(alice))
    assert upload(bob).status == 201
    with announcer(site.config) as announce:
        key = first.json()["images"][0]["key"]
        announce.say(ImageClassified(Classification.of(key, [Prediction("tabby", 0.9)], "m")))
    wait_for(lambda: upload(alice).status == 201, 20)


def test_open_streams_are_limited_by_caller_until_one_closes(serve: Serve) -> None:
    site = serve(ELASTIQ_AUTH="keys", ELASTIQ_LIMIT_STREAMS="2")
    alice, bob = callers(site)

    def follow(who: Headers, id: str) -> urllib3.BaseHTTPResponse:
        return site.get(f"/api/batches/{id}/events", headers=who, preload_content=False)

    ids = {
        name: site.post("/api/batches", fields={"files": ("a.png", CAT)}, headers=who).json()["id"]
        for name, who in (("alice", alice), ("bob", bob))
    }
    streams = [follow(alice, ids["alice"]) for _ in range(2)]
    assert [stream.status for stream in streams] == [200, 200]
    assert refused(site.get(f"/api/batches/{ids['alice']}/events", headers=alice))
    assert follow(bob, ids["bob"]).status == 200
    streams[0].close()
    assert wait_for(lambda: follow(alice, ids["alice"]).status == 200, 20)


def test_who_tries_passwords_is_stopped_and_who_has_one_is_not(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "users").write_text(line("alice", "correct horse battery"))
    site = serve(ELASTIQ_AUTH="basic", ELASTIQ_AUTH_USERS=str(tmp_path / "users"))
    right = urllib3.make_headers(basic_auth="alice:correct horse battery")
    assert site.get("/", headers=right).status == 200
    for number in range(20):
        assert site.get("/", headers=urllib3.make_headers(basic_auth=f"alice:{number}")).status == 401
    assert refused(site.get("/", headers=urllib3.make_headers(basic_auth="alice:another")))
    assert site.get("/", headers=right).status == 200


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    with redis_server(tmp_path) as server:
        yield server


def test_web_processes_that_share_a_redis_count_a_caller_s_requests_and_bytes_together(
    serve: Serve, redis: RedisServer
) -> None:
    limits = {"ELASTIQ_LIMIT_REQUESTS": "6", "ELASTIQ_LIMIT_BYTES": str(PIECE_BYTES)}
    one, other = (serve(ELASTIQ_AUTH="keys", ELASTIQ_LIMITS_STORAGE=redis.address, **limits) for _ in range(2))
    alice, bob = callers(one)
    large = {"files": ("a.png", bytes(PIECE_BYTES * 2 // 3))}
    assert one.post("/api/batches", fields=large, headers=alice).status == 201
    assert refused(other.post("/api/batches", fields=large, headers=alice))
    assert [site.get("/", headers=bob).status for site in (one, other) * 3] == [200] * 6
    assert refused(one.get("/", headers=bob))
    assert refused(other.get("/", headers=bob))


@pytest.mark.parametrize("fails", ["ends", "hangs"])
def test_while_the_shared_redis_does_not_answer_each_web_process_counts_for_itself(
    serve: Serve, redis: RedisServer, tmp_path: Path, fails: str
) -> None:
    (tmp_path / "users").write_text(line("alice", "correct horse battery"))
    right = urllib3.make_headers(basic_auth="alice:correct horse battery")
    ways = {"ELASTIQ_AUTH": "basic", "ELASTIQ_AUTH_USERS": str(tmp_path / "users")}
    sites = [serve(**ways, ELASTIQ_LIMIT_REQUESTS="4", ELASTIQ_LIMITS_STORAGE=redis.address) for _ in range(2)]
    redis.end() if fails == "ends" else redis.hang()
    for site in sites:
        assert [site.get("/", headers=right, timeout=20).status for _ in range(5)] == [200] * 4 + [429]
        assert site.get("/healthz", timeout=20).status == 200
        assert "falling back to in-memory storage" in site.log.read_text()
    redis.start() if fails == "ends" else redis.go_on()
    # It is asked again by and by, with a request; its own count would let one pass again after a minute.
    wait_for(lambda: sites[0].get("/", headers=right) and "storage recovered" in sites[0].log.read_text())
    wait_for(lambda: sites[0].get("/", headers=right).status == 200, 90)


def test_where_nobody_is_asked_nothing_is_limited(serve: Serve) -> None:
    site = serve(ELASTIQ_LIMIT_REQUESTS="1")
    assert {site.get("/").status for _ in range(3)} == {200}


def test_a_place_to_count_in_that_there_is_not_is_an_error_that_names_the_setting() -> None:
    limits = Limits(LimitSettings(storage="nowhere://x"), Backlog(lambda: 0.0), on=True)
    with pytest.raises(ConfigurationError, match="ELASTIQ_LIMITS_STORAGE"):
        limits.install(Flask(__name__))
