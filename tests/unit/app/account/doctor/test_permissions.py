"""The table of what each role needs, held to the roles that the template makes."""

from __future__ import annotations

import pytest

from app.account.doctor.permissions import NEEDS, ROLES
from tests.support.template import statements


@pytest.mark.parametrize("role", ROLES)
def test_what_a_role_is_said_to_need_the_template_allows_it(role: str) -> None:
    found = [statement["Action"] for name, statement in statements() if name == f"{role.title()}Role"]
    granted = {action for some in found for action in ([some] if isinstance(some, str) else some)}
    assert {need.action for need in NEEDS if role in need.roles} <= granted
