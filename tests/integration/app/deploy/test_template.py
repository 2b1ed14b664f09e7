"""The template on its way to CloudFormation: a part of it that a request takes, and all of it in a bucket."""

from __future__ import annotations

from app.deploy.stack import Stack
from app.deploy.template import TEMPLATE, foundation, stored
from tests.support import template
from tests.support.account import Account

# Source: CloudFormation user guide, quotas: a template body that is passed in a request, and one in an object.
BODY_BYTES, OBJECT_BYTES = 51_200, 1_000_000


def test_the_foundation_fits_into_a_request_with_room_to_grow_and_all_of_it_into_an_object() -> None:
    assert len(foundation().encode()) < BODY_BYTES - 5_000
    assert TEMPLATE.stat().st_size < OBJECT_BYTES
    assert TEMPLATE == template.FILE


def test_the_foundation_is_the_template_but_for_what_hosts_do() -> None:
    whole, part = template.load(), template.load(foundation())

    assert "def main(" in whole["Mappings"]["Host"]["Setup"].pop("UserData")
    assert "def main(" not in part["Mappings"]["Host"]["Setup"].pop("UserData")
    assert part == whole


def test_it_is_stored_once_and_cloudformation_reads_it_there(account: Account) -> None:
    s3 = account.client("s3")
    s3.create_bucket(Bucket="software", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})

    address = stored(account.settings, "software")
    (item,) = s3.list_objects_v2(Bucket="software")["Contents"]

    assert stored(account.settings, "software") == address
    assert address.endswith(f"/software/{item['Key']}")
    stack = Stack(account.settings.aws, "elastiq")
    change, changes = stack.prepare(address, {}, new=True)
    assert "Tasks" in {one.name for one in changes}
    assert s3.list_objects_v2(Bucket="software")["Contents"] == [item]
    stack.forget(change, new=True)
