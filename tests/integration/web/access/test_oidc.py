"""Signing in with an OpenID Connect provider, a real one on loopback, at a real web process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.support.provider import Provider, Visitor
from tests.support.web import Site

Serve = Callable[..., Site]


@pytest.fixture
def provider() -> Iterator[Provider]:
    """A provider."""
    with Provider() as provider_:
        yield provider_


@pytest.fixture
def signing(serve: Serve, provider: Provider) -> Site:
    """A web process that has people sign in there."""
    return serve(**provider.environment)


def test_who_has_signed_in_is_let_in_and_the_cookie_is_kept_from_scripts_and_other_sites(
    signing: Site, provider: Provider
) -> None:
    visitor = Visitor(signing)
    led = visitor.get("/batches/20261124T101530123Z-9f2c01ab?x=1")
    assert (led.status, urlsplit(led.headers["Location"]).path) == (302, "/sign-in")
    assert visitor.go("/").status == 200
    assert visitor.set.startswith("__Host-elastiq=")
    assert {"Secure", "HttpOnly", "Path=/", "SameSite=Lax"} <= set(visitor.set.split("; "))
    assert visitor.get("/api/batches", "POST").status == 201
    assert visitor.get("/metrics").status == 403
    provider.subject = "the-operator"
    operator = Visitor(signing)
    operator.go("/")
    assert operator.get("/metrics").status == 200

    assert visitor.get("/sign-out", "POST").status == 302
    assert visitor.get("/api/batches", "POST").status == 401
    assert signing.post("/api/batches").status == 401, "a program is told, and led nowhere"


def test_what_the_provider_did_not_say_lets_nobody_in(signing: Site, provider: Provider) -> None:
    for claims in ({"aud": "another"}, {"iss": "http://127.0.0.1:9"}, {"nonce": "another"}, {"exp": 1}, {"sub": None}):
        provider.claims = claims
        visitor = Visitor(signing)
        assert visitor.go("/").status == 400, claims
        assert visitor.get("/api/batches", "POST").status == 401
    provider.claims, provider.key = {}, rsa.generate_private_key(65537, 2048)
    assert Visitor(signing).go("/").status == 400, "signed by another"


def test_a_sign_in_that_somebody_else_began_ends_nowhere(signing: Site) -> None:
    begun, other = Visitor(signing), Visitor(signing)
    at_provider = begun.get(begun.get("/sign-in").headers["Location"]).headers["Location"]
    assert other.get(at_provider).status == 400
    assert begun.get(at_provider.replace("code=", "code=x")).status in (400, 503)


def test_a_cookie_that_was_changed_says_nothing(signing: Site) -> None:
    visitor = Visitor(signing)
    visitor.go("/")
    name, _, value = visitor.cookie.partition("=")
    visitor.cookie = f"{name}={value[:-2]}{'AA' if value[-2:] != 'AA' else 'BB'}"
    assert visitor.get("/api/batches", "POST").status == 401
