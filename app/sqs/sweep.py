"""Deletes the listeners' queues whose owner is gone: killed processes leave theirs behind."""

from __future__ import annotations

import time
from collections.abc import Callable

from kombu.log import get_logger

from app.sqs.api import Api
from app.sqs.errors import QueueMissing
from app.sqs.owner import OWNER, SEEN, TOUCH_S, ended

logger = get_logger("app.sqs")

# An owner may miss two of its touches.
GONE_S = 3 * TOUCH_S


class ListenerSweep:
    """Remembers from one round to the next since when an owner has not said that it lives.

    Args:
        prefix: the transport's ``listener_prefix``.
        clock: seconds in which this process ran: it must stand still while the machine sleeps, as the owners do.
    """

    def __init__(self, prefix: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._prefix, self._clock = prefix, clock
        self._silent: dict[str, tuple[str, float]] = {}

    def round(self, api: Api, topic_arn: str | None) -> list[str]:
        """Delete the queues that begin with the prefix and have no owner any more, and their subscriptions.

        Args:
            api: the calls.
            topic_arn: the topic that they are subscribed to; None leaves the subscriptions.

        Returns:
            The names of the deleted queues.

        Raises:
            Unavailable, Refused: a call failed; the next round goes on.
        """
        swept = []
        for url, owner in self._gone(api).items():
            if _deleted(api, url):
                swept.append(url.rsplit("/", 1)[-1])
                logger.warning("listener_swept queue=%s owner=%s", swept[-1], owner)
        if swept and topic_arn is not None:
            _unsubscribe(api, topic_arn, set(swept))
        return swept

    def _gone(self, api: Api) -> dict[str, str]:
        """Return the queues whose owner has ended or has long been silent, and that owner; note what the others say."""
        gone: dict[str, str] = {}
        silent: dict[str, tuple[str, float]] = {}
        for url in _all(api, self._prefix):
            tags = _tags(api, url)
            if OWNER not in tags:
                continue
            said, since_s = self._silent.get(url, ("", 0.0))
            silent[url] = (tags.get(SEEN, ""), since_s if said == tags.get(SEEN, "") else self._clock())
            if ended(tags[OWNER]) or self._clock() - silent[url][1] > GONE_S:
                gone[url] = tags[OWNER]
        self._silent = silent
        return gone


def _tags(api: Api, url: str) -> dict[str, str]:
    try:
        return api.sqs("list_queue_tags", QueueUrl=url).get("Tags") or {}
    except QueueMissing:
        return {}  # its owner deleted it meanwhile


def _deleted(api: Api, url: str) -> bool:
    try:
        api.sqs("delete_queue", QueueUrl=url)
    except QueueMissing:
        return False  # its owner was faster
    return True


def _all(api: Api, prefix: str) -> list[str]:
    urls: list[str] = []
    token: dict[str, str] = {}
    while True:
        answer = api.sqs("list_queues", QueueNamePrefix=prefix, MaxResults=1000, **token)
        urls += answer.get("QueueUrls") or []
        if not answer.get("NextToken"):
            return urls
        token = {"NextToken": answer["NextToken"]}


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
