"""Callers, and what they may see."""

from __future__ import annotations

import pytest

from app.access.scopes import OPERATE, READ, SUBMIT
from web.access.caller import ANYBODY, Caller, person


@pytest.mark.parametrize(
    ("caller", "owner", "sees"),
    [
        (ANYBODY, None, True),
        (ANYBODY, "keys:alice", True),
        (Caller("keys:alice", frozenset({READ})), "keys:alice", True),
        (Caller("keys:alice", frozenset({READ})), "basic:alice", False),
        (Caller("keys:alice", frozenset({READ})), None, False),
        (Caller("keys:root", frozenset({OPERATE})), None, True),
        (Caller("keys:root", frozenset({OPERATE})), "keys:alice", True),
    ],
)
def test_a_caller_sees_what_is_his_and_an_operator_all(caller: Caller, owner: str | None, sees: bool) -> None:
    assert caller.may_see(owner) == sees


def test_a_person_operates_only_if_he_is_named_with_his_way() -> None:
    assert person("basic:alice", frozenset({"proxy:alice"})).scopes == {SUBMIT, READ}
    assert person("proxy:alice", frozenset({"proxy:alice"})).scopes == {SUBMIT, READ, OPERATE}
