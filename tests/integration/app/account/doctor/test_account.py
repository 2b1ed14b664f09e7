"""The account that the doctor looks at, as the embedded cloud has it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.account.doctor.account import Account, Missing
from app.aws.queues import dead_letter_queue
from app.settings import Settings


def test_it_finds_the_addresses_of_what_is_there(environment: dict[str, str]) -> None:
    settings = Settings.from_environment(environment)
    account, name = Account(settings), settings.queue.name

    found = [url.rpartition("/")[2] for url in (account.tasks, account.bulk, account.dead)]
    assert found == [name, settings.queue.bulk, dead_letter_queue(name)]
    assert account.topic == f"arn:aws:sns:us-east-1:000000000000:{settings.queue.topic}"
    given = replace(settings, queue=replace(settings.queue, topic_arn="arn:aws:sns:eu-central-1:1:news"))
    assert Account(given).topic == "arn:aws:sns:eu-central-1:1:news"


def test_a_listener_s_queue_is_there_from_when_it_is_made_until_it_is_deleted(environment: dict[str, str]) -> None:
    account = Account(Settings.from_environment(environment))
    for early in (account.delete_listener, lambda: account.listener):
        with pytest.raises(Missing):
            early()

    account.make_listener()
    assert account.listener.rpartition("/")[2] == account.listener_name
    account.delete_listener()
    with pytest.raises(Missing):
        account.delete_listener()
    assert account.client("sqs").list_queues(QueueNamePrefix=account.listener_name).get("QueueUrls", []) == []
