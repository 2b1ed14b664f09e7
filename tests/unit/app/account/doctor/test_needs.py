"""The table of what each role needs, held to the roles that the template makes."""

from __future__ import annotations

import pytest

from app.account.doctor.needs import NEEDS, ROLES, UNTRIED
from tests.support.template import statements


@pytest.mark.parametrize("role", ROLES)
def test_the_template_allows_a_role_what_it_is_said_to_need_and_no_other_action(role: str) -> None:
    found = [statement["Action"] for name, statement in statements() if name == f"{role.title()}Role"]
    granted = {action for some in found for action in ([some] if isinstance(some, str) else some)}
    needed = {need.action for need in NEEDS if role in need.roles}
    assert needed <= granted
    assert granted - needed <= UNTRIED.keys()
