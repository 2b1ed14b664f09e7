"""What AWS bills is counted whichever way it is called; what it does not bill is not."""

from __future__ import annotations

import pytest
from botocore.exceptions import EndpointConnectionError

from app import aws
from app.aws.calls import Calls, calls
from app.domain import CallCounts
from app.local.cloud import free_port
from app.settings import AwsSettings


@pytest.mark.parametrize(
    ("event", "counted"),
    [
        ("before-send.s3.PutObject", CallCounts(s3_put=1)),
        ("before-send.s3.ListObjectsV2", CallCounts(s3_put=1)),
        ("before-send.s3.GetObject", CallCounts(s3_get=1)),
        ("before-send.s3.HeadObject", CallCounts(s3_get=1)),
        ("before-send.s3.DeleteObject", CallCounts()),
        ("before-send.sqs.GetQueueAttributes", CallCounts(sqs_call=1)),
        ("before-send.sns.Publish", CallCounts(sns_publish=1)),
        ("before-send.sns.Subscribe", CallCounts()),
        ("before-send.ec2.DescribeInstances", CallCounts()),
    ],
)
def test_a_call_costs_what_its_kind_costs(event: str, counted: CallCounts) -> None:
    counting = Calls()
    counting._sent(event_name=event)
    assert counting.made() == counted


def test_each_try_of_a_client_is_counted() -> None:
    before = calls.made()
    settings = AwsSettings(region="us-east-1", endpoint_url=f"http://127.0.0.1:{free_port()}")
    with pytest.raises(EndpointConnectionError):
        aws.client("sqs", settings, attempts=2).list_queues()
    assert calls.made().sqs_call - before.sqs_call == 2
