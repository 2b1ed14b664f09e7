"""The table of what each role needs, held to the roles that the template makes."""

from __future__ import annotations

import pytest

from app.account.doctor.needs import NEEDS, ROLES, UNTRIED, needs_of
from app.settings import Settings
from tests.support.template import statements


@pytest.mark.parametrize("role", ROLES)
def test_the_template_allows_a_role_what_it_is_said_to_need_and_no_other_action(role: str) -> None:
    found = [statement["Action"] for name, statement in statements() if name == f"{role.title()}Role"]
    granted = {action for some in found for action in ([some] if isinstance(some, str) else some)}
    needed = {need.action for need in NEEDS if role in need.roles}
    assert needed <= granted
    assert granted - needed <= UNTRIED.keys()


def test_each_source_bucket_is_to_be_listed_and_read_by_those_whom_the_template_allows_it() -> None:
    settings = Settings.from_environment({"ELASTIQ_SOURCE_BUCKETS": "photos, scans"})
    found = [(need.action, need.on, need.roles) for need in needs_of(settings) if "source" in need.on]
    assert found == [
        (action, f"the source bucket {bucket}", ("web", "worker"))
        for bucket in ("photos", "scans")
        for action in ("s3:ListBucket", "s3:GetObject")
    ]
