"""The ways in which a caller shows who he is, each alone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from ipaddress import ip_network

import pytest
from flask import Flask
from structlog.testing import capture_logs
from werkzeug.middleware.proxy_fix import ProxyFix

from app.access.keys import Key, make
from app.access.scopes import OPERATE, READ, SUBMIT
from app.access.users import Users, line
from tests.support.clock import Clock
from web.access.caller import Caller
from web.access.ways import REMEMBERED, REMEMBERED_S, ByKey, ByPassword, ByProxy, Way
from web.http.problems import Busy

NOW = datetime(2026, 11, 28, tzinfo=UTC)
PASSWORD = "correct horse battery"
Ask = Callable[..., Caller | None]


def asking(way: Way, **options: object) -> Caller | None:
    with Flask(__name__).test_request_context("/", **options):  # type: ignore[arg-type]
        return way.caller()


class Kept(dict[str, Key]):
    """Keys by id, and how often they were looked up."""

    looks = 0

    def find(self, id: str) -> Key | None:
        self.looks += 1
        return self.get(id)


@pytest.fixture
def kept() -> Kept:
    return Kept()


def key_of(kept: Kept, *scopes: str, name: str = "alice") -> str:
    text, key = make(name, frozenset(scopes), NOW)
    kept[key.id] = key
    return text


def test_a_key_is_taken_as_a_bearer_s_token_and_as_anybody_s_password(kept: Kept) -> None:
    text, way = key_of(kept, READ), ByKey(kept.find, lambda: NOW)
    alice = Caller("keys:alice", frozenset({READ}))
    assert asking(way, headers={"Authorization": f"Bearer {text}"}) == alice
    assert asking(way, auth=("whoever", text)) == alice
    for nothing in (
        None,
        f"Bearer {text}x",
        f"Bearer {text[:-1]}",
        "Bearer",
        "Bearer x",
        "Digest a=b",
        f"Token {text}",
        "\xff",
    ):
        assert asking(way, headers={"Authorization": nothing} if nothing else {}) is None


def test_a_wrong_key_is_logged_by_its_id_alone(kept: Kept) -> None:
    text, way = key_of(kept, READ), ByKey(kept.find, lambda: NOW)
    wrong = text[:-4] + ("aaaa" if text[-4:] != "aaaa" else "bbbb")
    with capture_logs() as logs:
        assert asking(way, headers={"Authorization": f"Bearer {wrong}"}) is None
    (told,) = logs
    assert (told["event"], told["key"], told["known"]) == ("key_refused", text.split("_")[1], True)
    assert wrong[25:] not in str(logs)


def test_a_key_is_looked_up_once_a_while_and_a_revoked_one_is_good_no_longer_than_that(kept: Kept) -> None:
    clock = Clock(0)
    text, way = key_of(kept, READ), ByKey(kept.find, lambda: NOW, clock)
    bearer = {"Authorization": f"Bearer {text}"}
    for _ in range(10):
        assert asking(way, headers=bearer)
    assert kept.looks == 1
    kept.clear()
    clock.now = REMEMBERED_S
    for _ in range(10):
        assert asking(way, headers=bearer) is None
    assert kept.looks == 2, "that there is none is remembered too"


def test_no_more_is_remembered_than_fits(kept: Kept) -> None:
    way, first = ByKey(kept.find, lambda: NOW), key_of(kept, READ)
    assert asking(way, headers={"Authorization": f"Bearer {first}"})
    for number in range(REMEMBERED):
        asking(way, headers={"Authorization": f"Bearer elq_{number:016x}_{'a' * 43}"})
    assert len(way._found) == REMEMBERED
    assert asking(way, headers={"Authorization": f"Bearer {first}"}), "it is looked up again"
    assert kept.looks == REMEMBERED + 2


@pytest.fixture(scope="module")
def users() -> Users:
    return Users(dict([line("alice", PASSWORD).split(":", 1)]))


def test_a_user_is_known_by_name_and_password(users: Users) -> None:
    way = ByPassword(users, frozenset({"basic:alice"}))
    assert asking(way, auth=("alice", PASSWORD)) == Caller("basic:alice", frozenset({SUBMIT, READ, OPERATE}))
    for wrong in (("alice", "another password"), ("bob", PASSWORD), ("alice", ""), ("", PASSWORD)):
        with capture_logs() as logs:
            assert asking(way, auth=wrong) is None
        assert not wrong[1] or wrong[1] not in str(logs)
    assert asking(way, headers={"Authorization": "Bearer x"}) is None


def test_few_passwords_are_tried_at_once_and_those_that_are_known_need_no_try(users: Users) -> None:
    way = ByPassword(users, frozenset())
    assert asking(way, auth=("alice", PASSWORD))
    with way._seats.taken(), way._seats.taken():
        assert asking(way, auth=("alice", PASSWORD))
        with pytest.raises(Busy):
            asking(way, auth=("alice", "another password"))


def test_a_key_among_passwords_is_left_to_the_way_of_keys(users: Users, kept: Kept) -> None:
    way = ByPassword(users, frozenset())
    with way._seats.taken(), way._seats.taken():
        assert asking(way, auth=("alice", key_of(kept, READ))) is None


@pytest.mark.parametrize(
    ("address", "said", "known"),
    [
        ("10.1.2.3", "bob", True),
        ("::ffff:10.1.2.3", "bob", True),
        ("11.1.2.3", "bob", False),
        ("", "bob", False),
        ("10.1.2.3", "", False),
        ("10.1.2.3", "x" * 200, False),
        ("10.1.2.3", "bo\x07b", False),
        ("10.1.2.3", "bob, alice", False),
    ],
)
def test_a_header_is_believed_of_listed_proxies_alone(address: str, said: str, known: bool) -> None:
    way = ByProxy("X-Who", [ip_network("10.0.0.0/8")], frozenset())
    found = asking(way, headers={"X-Who": said}, environ_base={"REMOTE_ADDR": address})
    assert found == (Caller("proxy:bob", frozenset({SUBMIT, READ})) if known else None)


def test_a_header_that_comes_twice_is_not_believed() -> None:
    way = ByProxy("X-Who", [ip_network("10.0.0.0/8")], frozenset())
    twice = [("X-Who", "bob"), ("X-Who", "alice")]
    assert asking(way, headers=twice, environ_base={"REMOTE_ADDR": "10.1.2.3"}) is None


def test_nobody_becomes_a_proxy_by_saying_that_one_was_passed() -> None:
    way, found = ByProxy("X-Who", [ip_network("10.0.0.0/8")], frozenset()), []
    app = Flask(__name__)
    app.add_url_rule("/", view_func=lambda: str(found.append(way.caller())))
    app.wsgi_app = ProxyFix(app.wsgi_app, x_for=1)  # type: ignore[method-assign]
    client = app.test_client()
    client.get("/", headers={"X-Who": "bob", "X-Forwarded-For": "10.1.2.3"}, environ_base={"REMOTE_ADDR": "11.1.1.1"})
    client.get("/", headers={"X-Who": "bob", "X-Forwarded-For": "11.1.1.1"}, environ_base={"REMOTE_ADDR": "10.1.2.3"})
    assert found == [None, Caller("proxy:bob", frozenset({SUBMIT, READ}))]
