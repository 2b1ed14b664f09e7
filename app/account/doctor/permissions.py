"""Trying what roles need, one need after the other.

AWS may see what else is wrong with a call before it looks at the permission, so "allowed" means: not refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from botocore.exceptions import BotoCoreError, ClientError

from app import aws
from app.account.doctor.account import Account, Missing
from app.account.doctor.findings import Finding, bad, unknown, well
from app.account.doctor.needs import Need, needs_of
from app.aws.errors import DENIED, EXPIRED, NO_TOPIC, NOT_KNOWN
from app.errors import ConfigurationError
from app.settings import Settings

# By these the addresses of queues and topic are found, where no setting has them.
LOOKUPS = {"GetQueueUrl", "GetQueueAttributes"}


def permissions(settings: Settings, roles: tuple[str, ...]) -> Iterator[Finding]:
    """Yield what these roles need and is refused or cannot be told, and how many needs are not refused."""
    account = Account(settings)
    needs = [need for need in needs_of(settings) if set(need.roles) & set(roles)]
    allowed, missing = 0, dict[str, None]()
    try:
        for need in needs:
            try:
                found = tried(need, account)
            except Missing:
                missing[need.on] = None
                continue
            allowed += found is None
            if found:
                yield found
    finally:
        # Where it is there yet, deleting it was refused, or did not come to its turn.
        with suppress(Missing, ClientError, BotoCoreError):
            account.delete_listener()
    if missing:
        yield unknown("permissions", f"some could not be tried, for what is not there: {', '.join(missing)}")
    if allowed:
        yield well("permissions", f"{allowed} of {len(needs)} that {_and(roles)} need are not refused")


def tried(need: Need, account: Account) -> Finding | None:
    """Return why a need is not met; None where nothing speaks against it.

    Raises:
        Missing: there is nothing to try it on.
    """
    what, who = f"permission {need.action}", _and(need.roles)
    try:
        need.attempt(account)
    except ClientError as err:
        code = aws.error_code(err)
        if code in EXPIRED or code in NOT_KNOWN:
            return unknown(what, f"the credentials are not good ({code})")
        if code in DENIED and err.operation_name in LOOKUPS - {need.action.partition(":")[2]}:
            spared = "ELASTIQ_QUEUE_URL and ELASTIQ_TOPIC_ARN spare that"
            return unknown(what, f"not tried on {need.on}: its address is refused (sqs:{err.operation_name}); {spared}")
        if code in DENIED:
            return bad(what, f"refused on {need.on}: allow it in the policy of {who}")
        if code in (*aws.NO_QUEUE, "NoSuchBucket") or (code in NO_TOPIC and need.action.startswith("sns:")):
            raise Missing from err
    except (BotoCoreError, ConfigurationError) as err:
        return unknown(what, f"not tried on {need.on}: {err}")
    return None


def _and(names: tuple[str, ...]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
