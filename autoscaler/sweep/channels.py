"""The ways in which somebody is told that a batch is complete: the webhook that it was made with, the topic of all."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Protocol

from botocore.exceptions import ClientError

from app import aws
from app.aws.errors import NO_TOPIC
from app.aws.named import client_of, secret_text
from app.batches.marks import ANNOUNCED, HOOKED
from app.batches.record import BatchRecord
from app.batches.webhook import target
from app.errors import ConfigurationError
from app.settings import AwsSettings, HookSettings
from autoscaler.sweep.posting import Lookup, look_up, post


class Channel(Protocol):
    """One way.

    Attributes:
        name: of it, in the log.
        marks: the kind of marks that batches have which it is to tell of.
        on: whether it is set up.
    """

    name: str
    marks: str
    on: bool

    def wanted(self, record: BatchRecord) -> bool:
        """Return whether it is to tell of this batch."""

    def send(self, record: BatchRecord, told: Mapping[str, Any]) -> None:
        """Tell of it; return once that is taken.

        Raises:
            HookRefused: it may not be told there.
            ConfigurationError, TransientError: it was not taken; it may be later.
        """


class Webhook:
    """The address that a batch's maker gave.

    Args:
        settings: the secret, and the hosts that may be told.
        where: where AWS is, for a secret that it keeps.
        lookup: returns the addresses of a host.
    """

    name, marks = "webhook", HOOKED

    def __init__(self, settings: HookSettings, where: AwsSettings, lookup: Lookup = look_up) -> None:
        self._settings, self._where, self._lookup = settings, where, lookup
        self.on = bool(settings.hosts)

    def wanted(self, record: BatchRecord) -> bool:
        """Return whether the batch was made with one."""
        return bool(record.webhook)

    def send(self, record: BatchRecord, told: Mapping[str, Any]) -> None:
        """Post it, signed."""
        hooks = self._settings
        where = target(record.webhook, hooks.hosts)
        # Read for each message, so that another secret is taken at once.
        secret = secret_text(hooks.secret_arn, self._where) if hooks.secret_arn else hooks.secret
        post(where, json.dumps(told).encode(), secret, str(told["id"]), self._lookup)


class CompletionTopic:
    """The SNS topic that hears of every batch.

    Args:
        settings: its ARN; empty where there is none.
        where: where AWS is.
    """

    name, marks = "topic", ANNOUNCED

    def __init__(self, settings: HookSettings, where: AwsSettings) -> None:
        self._arn = settings.topic_arn
        self.on = bool(self._arn)
        if self.on:
            self._sns = client_of(self._arn, where, read_timeout_s=10, attempts=2)

    def wanted(self, record: BatchRecord) -> bool:
        """Return that it is."""
        return True

    def send(self, record: BatchRecord, told: Mapping[str, Any]) -> None:
        """Publish it; to a FIFO topic in a group of its own, so that no batch waits for another."""
        attributes = {"batch": record.id, "state": state_of(told)}
        fifo = {"MessageGroupId": record.id, "MessageDeduplicationId": str(told["id"])}
        with aws.translated(f"publishing to the completion topic {self._arn!r}"):
            try:
                self._sns.publish(
                    TopicArn=self._arn,
                    Message=json.dumps(told),
                    MessageAttributes={
                        name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()
                    },
                    **(fifo if self._arn.endswith(".fifo") else {}),
                )
            except ClientError as err:
                if aws.error_code(err) not in NO_TOPIC:
                    raise
                raise ConfigurationError(
                    f"there is no completion topic {self._arn!r}; set ELASTIQ_COMPLETION_TOPIC_ARN to one that there is"
                ) from err


def state_of(told: Mapping[str, Any]) -> str:
    """Return in a word what became of a batch that is over: the worst that became of it or any of its images."""
    if told["counts"]["cancelled"]:
        return "cancelled"
    return "failed" if told["counts"]["failed"] or told.get("problem") else "done"
