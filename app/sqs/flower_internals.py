"""Flower's broker tab, which knows AMQP and Redis: in Flower's process, and nowhere else, it is told of SQS too.

Stands on ``flower.utils.broker.Broker``, which picks a class by the scheme of the broker's URL in its ``__new__``, and
raises ``NotImplementedError`` for one that it does not know; so in Flower 2.0.1 to 2.2.0. Imports nothing of Flower.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterable
from typing import Any

from kombu.log import get_logger

from app.sqs.api import Api
from app.sqs.errors import QueueMissing, Refused
from app.sqs.options import Options
from app.sqs.queues import sqs_name

logger = get_logger("app.sqs")

_MODULE = "flower.utils.broker"
_COUNTS = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed")


def flower_runs() -> bool:
    """Return whether this process may be Flower, and has not been told yet."""
    factory = getattr(sys.modules.get(_MODULE), "Broker", None)
    return factory is not None and not hasattr(factory, "of_sqs")


def tell_flower(counts: Counts) -> None:
    """Have Flower ask ``counts`` of a broker whose scheme it does not know."""
    factory: Any = sys.modules[_MODULE].Broker
    theirs = factory.__new__

    def choose(cls: type, broker_url: str, *args: Any, **kwargs: Any) -> Any:
        try:
            return theirs(cls, broker_url, *args, **kwargs)
        except NotImplementedError:
            return counts

    factory.__new__, factory.of_sqs = choose, counts


class Counts:
    """What Flower asks of a broker: how many messages its queues hold. It makes no queue.

    Args:
        api: what makes the calls.
        options: the names' prefix, and the queues that are named beforehand.
    """

    def __init__(self, api: Api, options: Options) -> None:
        self._api, self._options = api, options

    async def queues(self, names: Iterable[str]) -> list[dict[str, Any]]:
        """Return each queue's counts, and behind all that share them those of their dead letters, once.

        A queue that is missing is left out.

        Raises:
            Unavailable, Refused: SQS does not tell.
        """
        return await asyncio.to_thread(self._all, list(names))

    def _all(self, names: list[str]) -> list[dict[str, Any]]:
        rows: dict[str, dict[str, Any]] = {}
        for row in (row for name in names for row in self._rows(name)):
            rows.pop(row["name"], None)
            rows[row["name"]] = row
        return list(rows.values())

    def _rows(self, name: str) -> list[dict[str, Any]]:
        try:
            url = self._url(name)
            told = self._told(url, "RedrivePolicy")
        except QueueMissing:
            return []
        target = json.loads(told.get("RedrivePolicy", "{}")).get("deadLetterTargetArn", "")
        return [_row(name, told), *self._dead_letters(url, target.rpartition(":")[2])]

    def _dead_letters(self, url: str, name: str) -> list[dict[str, Any]]:
        """Return the row of a queue's dead letters, which are in the same account and region."""
        if not name:
            return []
        try:
            return [_row(name, self._told(f"{url.rpartition('/')[0]}/{name}"))]
        except Refused as err:
            logger.warning("dead_letters_not_counted queue=%s error=%s", name, err)
            return []

    def _url(self, name: str) -> str:
        named = self._options.predefined_queues.get(name)
        if named is not None:
            return str(named["url"])
        physical = sqs_name(self._options.queue_name_prefix + name)
        return str(self._api.sqs("get_queue_url", QueueName=physical)["QueueUrl"])

    def _told(self, url: str, *more: str) -> dict[str, str]:
        asked = self._api.sqs("get_queue_attributes", QueueUrl=url, AttributeNames=[*_COUNTS, *more])
        told: dict[str, str] = asked["Attributes"]
        return told


def _row(name: str, told: dict[str, str]) -> dict[str, Any]:
    """Return a row as Flower has it; what is delayed is among the messages, and not ready."""
    ready, held, delayed = (int(told[count]) for count in _COUNTS)
    return {
        "name": name,
        "messages": ready + held + delayed,
        "messages_ready": ready,
        "messages_unacknowledged": held,
    }
