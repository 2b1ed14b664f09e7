"""Who gets in, at real web processes: by keys, by passwords, by a proxy's word; and where none starts at all."""

from __future__ import annotations

import base64
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.access.keys import KeyStore, make
from app.access.scopes import OPERATE, READ, SUBMIT
from app.access.users import line
from app.batches.records import Records
from tests.support import photographs
from tests.support.web import ROOT, Site

CAT = photographs.chelsea()
PASSWORD = "correct horse battery"
Serve = Callable[..., Site]

# What each scope is for, with what a caller who has it is answered there.
ASKED = {
    SUBMIT: [("POST", "/api/batches", 201), ("POST", "/", 400)],
    READ: [("GET", "/", 200), ("GET", "/api/batches/20261124T101530123Z-9f2c01ab", 404)],
    OPERATE: [("GET", "/metrics", 200), ("GET", "/monitor", 200), ("GET", "/api/fleet", 200)],
}
FORM = {"Content-Type": "multipart/form-data; boundary=x"}


def basic(name: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()}


def key(site: Site, name: str, *scopes: str) -> str:
    """Make a key where this site keeps its own."""
    text, kept = make(name, frozenset(scopes), datetime.now(UTC))
    KeyStore(site.config).add(kept)
    return text


def answers(site: Site, headers: dict[str, str], scope: str) -> list[int]:
    asked = [(method, path, FORM if path == "/" and method == "POST" else {}) for method, path, _ in ASKED[scope]]
    return [
        site.http.request(method, site.url + path, headers={**headers, **more}).status for method, path, more in asked
    ]


def test_a_key_lets_in_to_what_its_scopes_say_and_the_log_never_has_it(serve: Serve) -> None:
    site = serve(ELASTIQ_AUTH="keys")
    keys = {scope: key(site, f"with-{scope}", scope) for scope in ASKED}
    for scope, may in ASKED.items():
        wanted = [status for *_, status in may]
        assert answers(site, {"Authorization": f"Bearer {keys[scope]}"}, scope) == wanted
        assert answers(site, basic("anybody", keys[scope]), scope) == wanted
        assert answers(site, {}, scope) == [401] * len(wanted)
        for other in ASKED.keys() - {scope}:
            assert answers(site, {"Authorization": f"Bearer {keys[other]}"}, scope) == [403] * len(wanted)
    for open_to_all in ("/healthz", "/readyz", "/static/page.css"):
        assert site.get(open_to_all).status == 200

    refused = site.get("/", headers={"Authorization": f"Bearer {keys[READ][:-3]}xyz"})
    assert refused.status == 401
    assert [challenge.split()[0] for challenge in refused.headers.getlist("WWW-Authenticate")] == ["Basic", "Bearer"]
    site.stop()
    log = site.log.read_text()
    assert site.logged("key_refused")
    assert site.logged("scope_refused")
    assert not [text for text in keys.values() if text[25:40] in log]


def test_a_key_that_is_revoked_or_has_expired_lets_nobody_in(serve: Serve) -> None:
    site = serve(ELASTIQ_AUTH="keys")
    store, now = KeyStore(site.config), datetime.now(UTC)
    revoked, kept = make("alice", frozenset({READ}), now)
    store.add(kept)
    store.revoke(kept.id, now)
    expired, kept = make("alice", frozenset({READ}), now, expires_at=now)
    store.add(kept)
    unknown, _ = make("alice", frozenset({READ}), now)
    for text in (revoked, expired, unknown, key(site, "bob", READ)[:-1]):
        assert site.get("/", headers={"Authorization": f"Bearer {text}"}).status == 401


def test_passwords_and_a_proxy_s_word_let_people_in_at_once_with_keys(serve: Serve, tmp_path: Path) -> None:
    users = tmp_path / "users"
    users.write_text(f"{line('alice', PASSWORD)}\n{line('bob', PASSWORD)}\n")
    site = serve(
        ELASTIQ_AUTH="proxy,basic,keys",
        ELASTIQ_AUTH_USERS=str(users),
        ELASTIQ_AUTH_PROXIES="127.0.0.1",
        ELASTIQ_AUTH_HEADER="X-Who",
        ELASTIQ_OPERATORS="basic:alice",
    )
    assert answers(site, basic("alice", PASSWORD), OPERATE) == [200, 200, 200]
    assert answers(site, basic("bob", PASSWORD), READ) == [200, 404]
    assert answers(site, basic("bob", PASSWORD), OPERATE) == [403, 403, 403]
    assert answers(site, basic("bob", "another password"), READ) == [401, 401]
    assert answers(site, basic("", key(site, "program", READ)), READ) == [200, 404]
    assert answers(site, {"X-Who": "carol"}, SUBMIT) == [201, 400]
    assert answers(site, {"X-Who": "carol"}, OPERATE) == [403, 403, 403]
    site.stop()
    assert PASSWORD not in site.log.read_text()


def test_what_a_header_says_counts_for_nothing_where_it_comes_from_no_proxy(serve: Serve) -> None:
    site = serve(ELASTIQ_AUTH="proxy", ELASTIQ_AUTH_PROXIES="10.0.0.0/8", ELASTIQ_TRUSTED_PROXIES="1")
    said = {"X-Forwarded-User": "carol", "X-Forwarded-For": "10.0.0.1"}
    assert answers(site, said, READ) == [401, 401]
    assert site.logged("header_refused")


@pytest.mark.parametrize(("auth", "starts"), [("", False), ("off", True)])
def test_beyond_loopback_it_starts_only_where_it_is_said_who_is_asked(
    serve: Serve, environment: dict[str, str], auth: str, starts: bool
) -> None:
    told = {**environment, "ELASTIQ_HOST": "0.0.0.0", "ELASTIQ_AUTH": auth, "ELASTIQ_PORT": "0"}
    if starts:
        assert serve(**told).logged("nobody_is_asked")
        return
    ended = subprocess.run(
        [sys.executable, "-m", "app.cli", "web"], env=told, cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert ended.returncode == 2
    assert "ELASTIQ_AUTH" in ended.stderr


def test_on_loopback_it_is_called_by_loopback_s_names_or_by_those_it_is_told(serve: Serve) -> None:
    site = serve(ELASTIQ_HOSTS="photos.example")
    for name, status in (("localhost:1", 200), ("[::1]", 200), ("photos.example", 200), ("evil.example", 421)):
        assert site.get("/", headers={"Host": name}).status == status


def test_a_batch_is_its_owner_s_and_an_operator_s_and_for_others_it_is_not_there(serve: Serve) -> None:
    site = serve(ELASTIQ_AUTH="keys")
    alice, bob = ({"Authorization": f"Bearer {key(site, name, SUBMIT, READ)}"} for name in ("alice", "bob"))
    root = {"Authorization": f"Bearer {key(site, 'root', READ, OPERATE)}"}
    form = {"files": ("a.png", CAT)}
    made = [
        site.post("/api/batches", fields=form, headers=alice).json()["id"],
        site.post("/api/batches", headers=alice).json()["id"],
        site.post("/api/batches", json={"name": "cats"}, headers=alice).json()["id"],
    ]
    for id in made:
        assert site.post(f"/api/batches/{id}/images", fields={"files": ("b.png", CAT)}, headers=alice).status == 201
        for path in ("", "/cost", "/results.csv", "/stored", "/images/b.png"):
            asked = f"/api/batches/{id}{path}"
            assert [site.get(asked, headers=who).status for who in (alice, root, bob)] == [200, 200, 404], path
        assert site.get(f"/api/batches/{id}/events", headers=bob).status == 404
        assert site.post(f"/api/batches/{id}/images", fields=form, headers=bob).status == 404
    nobody_s = "20261124T101530123Z-9f2c01ab"
    told = [site.get(f"/api/batches/{id}", headers=bob).json()["detail"].replace(id, "") for id in (made[0], nobody_s)]
    assert told[0] == told[1]
    assert site.post(f"/api/batches/{nobody_s}/images", fields=form, headers=bob).status == 404
    assert not site.keys(nobody_s)


def test_the_single_images_of_two_callers_are_in_two_batches(serve: Serve) -> None:
    site = serve(ELASTIQ_AUTH="keys", ELASTIQ_WAIT_SECONDS="1")
    for name in ("alice", "bob"):
        headers = {"Authorization": f"Bearer {key(site, name, SUBMIT)}"}
        assert site.post("/", fields={"myfile": ("a.png", CAT)}, headers=headers).status == 504
    ids = {stored.partition("/")[0] for stored in site.all_keys()}
    assert {Records(site.config).read(id).owner for id in ids} == {"keys:alice", "keys:bob"}


def test_where_batches_are_shared_their_address_is_enough(serve: Serve) -> None:
    site = serve(ELASTIQ_AUTH="keys", ELASTIQ_SHARED_BATCHES="1")
    alice, bob = ({"Authorization": f"Bearer {key(site, name, SUBMIT, READ)}"} for name in ("alice", "bob"))
    id = site.post("/api/batches", fields={"files": ("a.png", CAT)}, headers=alice).json()["id"]
    assert site.get(f"/api/batches/{id}", headers=bob).status == 200
    assert site.get(f"/api/batches/{id}").status == 401
