"""The three words."""

from __future__ import annotations

import pytest

from app.access.scopes import READ, SUBMIT, scopes


def test_scopes_are_read_from_a_list_of_words() -> None:
    assert scopes(["submit", " read"]) == {SUBMIT, READ}


@pytest.mark.parametrize("names", [[], [""], ["submit", "rule"], ["Submit"]])
def test_what_is_no_scope_is_refused(names: list[str]) -> None:
    with pytest.raises(ValueError, match="submit, read, operate"):
        scopes(names)
