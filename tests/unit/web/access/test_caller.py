"""Callers, and what they may see."""

from __future__ import annotations

import pytest

from app.access.scopes import OPERATE, READ, SUBMIT
from web.access.caller import ANYBODY, Caller, person


@pytest.mark.parametrize(
    ("caller", "all_"),
    [
        (ANYBODY, True),
        (Caller("keys:alice", frozenset({READ, SUBMIT})), False),
        (Caller("keys:root", frozenset({OPERATE})), True),
    ],
)
def test_operators_see_all_and_so_does_everybody_where_nobody_is_asked(caller: Caller, all_: bool) -> None:
    assert caller.sees_all == all_


def test_a_person_operates_only_if_he_is_named_with_his_way() -> None:
    assert person("basic:alice", frozenset({"proxy:alice"})).scopes == {SUBMIT, READ}
    assert person("proxy:alice", frozenset({"proxy:alice"})).scopes == {SUBMIT, READ, OPERATE}
