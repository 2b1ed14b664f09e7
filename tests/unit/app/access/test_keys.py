"""Keys: what is made, what is kept of them, and what opens."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from app.access.keys import _read, _written, id_of, make
from app.access.scopes import READ, SUBMIT
from app.errors import ConfigurationError

NOW = datetime(2026, 11, 28, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def test_a_key_carries_its_id_and_256_random_bits_and_only_its_sha_256_is_kept() -> None:
    text, key = make("alice", frozenset({SUBMIT}), NOW)

    assert text.startswith(f"elq_{key.id}_")
    assert len(text.rpartition(f"{key.id}_")[2]) == 43, "256 bits in base64"
    assert id_of(text) == key.id
    assert key.sha256 == hashlib.sha256(text.encode()).hexdigest()
    assert text.encode() not in _written(key)
    assert make("alice", frozenset({SUBMIT}), NOW)[0] != text


@pytest.mark.parametrize("text", ["", "elq_", "elq_0123456789abcdef_short", "Bearer x", "elq_../../x_" + "a" * 43])
def test_what_is_no_key_has_no_id(text: str) -> None:
    assert id_of(text) is None


def test_a_key_opens_with_itself_alone_until_it_expires_or_is_revoked(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = []
    compare = hmac.compare_digest
    monkeypatch.setattr(hmac, "compare_digest", lambda a, b: compared.append(a) or compare(a, b))
    text, key = make("alice", frozenset({READ}), NOW, NOW + SECOND)

    assert key.opens_with(text, NOW)
    assert compared == [key.sha256], "it is compared in constant time"
    assert not key.opens_with(text[:-1] + ("a" if text[-1] != "a" else "b"), NOW)
    assert not key.opens_with(text, NOW + SECOND)
    assert not replace(key, revoked_at=NOW).opens_with(text, NOW)


def test_what_is_kept_of_a_key_is_read_as_it_was_written() -> None:
    _, key = make("a.b@example.org", frozenset({SUBMIT, READ}), NOW, NOW + SECOND)

    for kept in (key, replace(key, expires_at=None), replace(key, revoked_at=NOW)):
        assert _read(key.id, _written(kept)) == kept


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"name": "x"}', b"\xff"])
def test_a_damaged_record_is_an_error_that_names_it(body: bytes) -> None:
    with pytest.raises(ConfigurationError, match=r"_keys/0123\.json"):
        _read("0123", body)


@pytest.mark.parametrize("name", ["", "a b", "a:b", "-x", "x" * 65, "a\n"])
def test_nobody_is_called_what_would_be_taken_for_something_else(name: str) -> None:
    with pytest.raises(ConfigurationError, match="no name for a key"):
        make(name, frozenset({READ}), NOW)
