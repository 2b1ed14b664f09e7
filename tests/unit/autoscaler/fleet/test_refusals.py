"""What EC2's refusals of a launch mean."""

from __future__ import annotations

import pytest

from autoscaler.fleet.refusals import UNKNOWN, Of, is_answer, meaning


@pytest.mark.parametrize(
    ("code", "of"),
    [
        ("InsufficientInstanceCapacity", Of.PLACE),
        ("InsufficientFreeAddressesInSubnet", Of.SUBNET),
        ("InvalidSubnetID.NotFound", Of.SUBNET),
        ("Unsupported", Of.TYPE_IN_SUBNET),
        ("UnsupportedOperation", Of.TYPE_IN_SUBNET),
        ("VcpuLimitExceeded", Of.TYPE_IN_MARKET),
        ("MaxSpotInstanceCountExceeded", Of.MARKET),
        ("AuthFailure.ServiceLinkedRoleCreationNotPermitted", Of.MARKET),
        ("AuthFailure", Of.EVERYWHERE),
        ("InvalidLaunchTemplateName.NotFoundException", Of.EVERYWHERE),
        ("InvalidAMIID.NotFound", Of.EVERYWHERE),
        ("PendingVerification", Of.EVERYWHERE),
        ("Client.RequestLimitExceeded", Of.EVERYWHERE),
        ("InvalidParameterValue", Of.PLACE),
        ("NeverHeardOf", Of.PLACE),
    ],
)
def test_a_refusal_speaks_of_as_much_of_a_launch_as_its_code_says(code: str, of: Of) -> None:
    assert meaning(code).of is of


def test_a_code_that_nobody_knows_pauses_as_one_that_nobody_can_mend() -> None:
    assert meaning("NeverHeardOf") is UNKNOWN
    assert (UNKNOWN.pause_s, UNKNOWN.room) == (30.0, False)


@pytest.mark.parametrize(
    ("code", "status", "answered"),
    [
        ("InvalidSubnetID.NotFound", 400, True),
        ("NeverHeardOf", 400, True),
        ("NeverHeardOf", 500, False),
        ("500", 500, False),
        ("InternalError", 500, False),
        ("ServiceUnavailable", 503, False),
        ("RequestLimitExceeded", 503, True),
        ("InsufficientInstanceCapacity", 500, True),
    ],
)
def test_only_a_refusal_is_sure_to_have_launched_nothing(code: str, status: int, answered: bool) -> None:
    assert is_answer(code, status) == answered
