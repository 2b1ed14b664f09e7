"""Deletes the listeners' queues whose owner is gone: killed processes leave theirs behind."""

from __future__ import annotations

import socket
import time
from pathlib import Path

from kombu.log import get_logger

from app.sqs.api import Api, QueueMissing
from app.sqs.gateway import TOUCH_S
from app.sqs.queues import OWNER, SEEN

logger = get_logger("app.sqs")

# An owner notes every ten minutes that it lives; it may miss two of these.
GONE_S = 3 * TOUCH_S


def sweep_listeners(api: Api, prefix: str, topic_arn: str | None) -> list[str]:
    """Delete the queues that begin with ``prefix`` and have no owner any more, and their subscriptions.

    Args:
        api: the calls.
        prefix: the transport's ``listener_prefix``.
        topic_arn: the topic that they are subscribed to; None leaves the subscriptions.

    Returns:
        The names of the deleted queues.

    Raises:
        Unavailable, Refused: a call failed; the next sweep goes on.
    """
    swept = []
    for url in _all(api, prefix):
        tags = api.sqs("list_queue_tags", QueueUrl=url).get("Tags") or {}
        if OWNER in tags and _gone(tags, time.time()):
            try:
                api.sqs("delete_queue", QueueUrl=url)
            except QueueMissing:
                continue  # its owner was faster
            swept.append(url.rsplit("/", 1)[-1])
            logger.warning("listener_swept queue=%s owner=%s", swept[-1], tags[OWNER])
    if swept and topic_arn is not None:
        _unsubscribe(api, topic_arn, set(swept))
    return swept


def _all(api: Api, prefix: str) -> list[str]:
    urls: list[str] = []
    token: dict[str, str] = {}
    while True:
        answer = api.sqs("list_queues", QueueNamePrefix=prefix, MaxResults=1000, **token)
        urls += answer.get("QueueUrls") or []
        if not answer.get("NextToken"):
            return urls
        token = {"NextToken": answer["NextToken"]}


def _gone(tags: dict[str, str], now: float) -> bool:
    """Return whether the owner has long not said that it lives, or is a process of this host that ended."""
    if now - float(tags.get(SEEN, 0)) > GONE_S:
        return True
    host, _, pid = tags[OWNER].rpartition(":")
    return host == socket.gethostname() and Path("/proc").is_dir() and not Path(f"/proc/{pid}").exists()


def _unsubscribe(api: Api, topic_arn: str, queues: set[str]) -> None:
    token: dict[str, str] = {}
    while True:
        answer = api.sns("list_subscriptions_by_topic", TopicArn=topic_arn, **token)
        for subscription in answer.get("Subscriptions") or []:
            arn = subscription["SubscriptionArn"]
            if subscription["Endpoint"].rsplit(":", 1)[-1] in queues and arn.startswith("arn:"):
                api.sns("unsubscribe", SubscriptionArn=arn)
        if not answer.get("NextToken"):
            return
        token = {"NextToken": answer["NextToken"]}
