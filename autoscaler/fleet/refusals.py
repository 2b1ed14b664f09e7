"""What EC2's refusals of a launch mean: how much of what was asked for each speaks of, and what would help. A table.

Whatever has an error code was answered, so nothing came of it: the next place may be asked. What is not in the table
speaks of its place alone, as far as anybody knows; when every place has refused, the next try comes after a pause.
Source: EC2 API reference, error codes.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Of(Enum):
    """What of a launch a refusal speaks of: where the same would be answered again, by the parts of a place."""

    # Texts, since Python 3.11.2 makes something else of a member that is an empty tuple.
    PLACE = "spot type subnet"
    TYPE_IN_SUBNET = "type subnet"
    TYPE_IN_MARKET = "spot type"
    SUBNET = "subnet"
    TYPE = "type"
    MARKET = "spot"
    EVERYWHERE = ""


@dataclass(frozen=True, slots=True)
class Refused:
    """What a refusal means.

    Attributes:
        of: what it speaks of.
        why: in words, with what would help; empty where EC2's own words have to do.
        room: whether it is for want of room, which comes and goes.
        pause_s: seconds before another try is worth it, the first time, if nothing else came.
    """

    of: Of
    why: str = ""
    room: bool = False
    pause_s: float = 30.0


# Where a code begins with one of these, and no longer one does; the first words of a family stand for all of it.
_MEANINGS: dict[str, Refused] = {
    # No room.
    "InsufficientInstanceCapacity": Refused(Of.PLACE, "EC2 has none left there", room=True),
    "InsufficientHostCapacity": Refused(Of.PLACE, "EC2 has none left there", room=True),
    "InsufficientReservedInstanceCapacity": Refused(Of.PLACE, "the reservation has none left", room=True),
    "InsufficientFreeAddressesInSubnet": Refused(Of.SUBNET, "the subnet has no address left", room=True),
    "InsufficientCapacity": Refused(Of.PLACE, "EC2 has none left there", room=True),
    "SpotMaxPriceTooLow": Refused(Of.PLACE, "spot costs more than the template's maximum", room=True),
    "MaxSpotInstanceCountExceeded": Refused(Of.MARKET, "the account's quota of spot instances is used up", room=True),
    "VcpuLimitExceeded": Refused(Of.TYPE_IN_MARKET, "the account's quota of vCPUs is used up", room=True),
    "InstanceLimitExceeded": Refused(Of.TYPE_IN_MARKET, "the account's quota of instances is used up", room=True),
    # This place will not do.
    "Unsupported": Refused(Of.TYPE_IN_SUBNET, "the zone has no such type"),
    "InvalidSubnet": Refused(Of.SUBNET, "check ELASTIQ_SUBNETS"),
    "InvalidAvailabilityZone": Refused(Of.SUBNET, "check ELASTIQ_SUBNETS"),
    "InvalidInstanceType": Refused(Of.TYPE, "check ELASTIQ_INSTANCE_TYPES"),
    "InvalidSpot": Refused(Of.MARKET, "check ELASTIQ_SPOT"),
    "SpotInstance": Refused(Of.MARKET, "check ELASTIQ_SPOT"),
    "AuthFailure.ServiceLinkedRoleCreationNotPermitted": Refused(
        Of.MARKET,
        "the account has no role for spot instances: aws iam create-service-linked-role --aws-service-name "
        "spot.amazonaws.com",
    ),
    # A policy may allow some types, subnets or markets and not others.
    "UnauthorizedOperation": Refused(Of.PLACE, "the role's policy does not allow it"),
    # No place will do.
    "AuthFailure": Refused(Of.EVERYWHERE, "check the credentials and the role"),
    "Blocked": Refused(Of.EVERYWHERE, "AWS has blocked the account", pause_s=60.0),
    "ExpiredToken": Refused(Of.EVERYWHERE, "the credentials have expired"),
    "IncompleteSignature": Refused(Of.EVERYWHERE, "check the credentials"),
    "InvalidClientTokenId": Refused(Of.EVERYWHERE, "check the credentials"),
    "SignatureDoesNotMatch": Refused(Of.EVERYWHERE, "check the credentials and the host's clock"),
    "RequestExpired": Refused(Of.EVERYWHERE, "check the host's clock"),
    "InvalidAMI": Refused(Of.EVERYWHERE, "the launch template's image is not there"),
    "InvalidLaunchTemplate": Refused(Of.EVERYWHERE, "check ELASTIQ_LAUNCH_TEMPLATE"),
    "InvalidIamInstanceProfile": Refused(Of.EVERYWHERE, "check the launch template's instance profile"),
    "InvalidKeyPair": Refused(Of.EVERYWHERE, "check the launch template's key pair"),
    "InvalidGroup": Refused(Of.EVERYWHERE, "check the launch template's security groups"),
    "OptInRequired": Refused(
        Of.EVERYWHERE, "the account is not signed up for EC2 here, or for the image", pause_s=60.0
    ),
    "PendingVerification": Refused(Of.EVERYWHERE, "AWS is still verifying the account", pause_s=60.0),
    "VolumeLimitExceeded": Refused(Of.EVERYWHERE, "the account's quota of volumes is used up"),
    # Later.
    "RequestLimitExceeded": Refused(Of.EVERYWHERE, "EC2 throttles the account's calls", pause_s=5.0),
    "Throttling": Refused(Of.EVERYWHERE, "EC2 throttles the account's calls", pause_s=5.0),
    "RequestThrottled": Refused(Of.EVERYWHERE, "EC2 throttles the account's calls", pause_s=5.0),
}
UNKNOWN = Refused(Of.PLACE)
# EC2's own failures: whether something came of the call is unknown, and the same token asks again.
_LOST = ("InternalError", "InternalFailure", "ServiceUnavailable", "Unavailable", "RequestTimeout")


def meaning(code: str) -> Refused:
    """Return what a refusal means, by its error code."""
    known = [start for start in _MEANINGS if code.removeprefix("Client.").removeprefix("Server.").startswith(start)]
    return _MEANINGS[max(known, key=len)] if known else UNKNOWN


def is_answer(code: str, status: int) -> bool:
    """Return whether a refused call is certain to have launched nothing.

    Args:
        code: EC2's error code.
        status: HTTP's.
    """
    code = code.removeprefix("Client.").removeprefix("Server.")
    return not code.startswith(_LOST) and (status < 500 or meaning(code) is not UNKNOWN)
