"""One process's application: all of it works where its settings say, whatever the environment says."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import cast

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app import aws
from app.account.provision import provision
from app.settings import Settings
from tests.support import photographs
from web.application import create_app
from web.tier import EXTENSION, Tier

CAT = photographs.chelsea()


@pytest.fixture
def other(config: Settings) -> Settings:
    """Settings of a second system beside ``config``'s."""
    queue = replace(config.queue, name=f"{config.queue.name}-other")
    buckets = replace(config.buckets, input=f"{config.buckets.input}-other", output=f"{config.buckets.output}-other")
    other = replace(config, queue=queue, buckets=buckets)
    provision(other)
    return other


def upload(client: FlaskClient, names: list[str]) -> str:
    files = [(io.BytesIO(CAT), name) for name in names]
    answer = client.post("/api/batches", data={"files": files}, content_type="multipart/form-data")
    assert answer.status_code == 201, answer.text
    return str(answer.get_json()["id"])


def queued(settings: Settings) -> int:
    sqs = aws.client("sqs", settings.aws)
    url = sqs.get_queue_url(QueueName=settings.queue.name)["QueueUrl"]
    name = "ApproximateNumberOfMessages"
    return int(sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[name])["Attributes"][name])


@pytest.mark.parametrize("names", [["one.png"], ["one.png", "two.png"]], ids=["a lone image", "several"])
def test_images_go_where_the_settings_say_and_nowhere_else(
    config: Settings, other: Settings, names: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ELASTIQ_QUEUE", config.queue.name)
    monkeypatch.setenv("AWS_ENDPOINT_URL", config.aws.endpoint_url)
    upload(create_app(other).test_client(), names)
    assert queued(other) == len(names)
    assert queued(config) == 0


def test_two_applications_in_a_process_keep_to_their_own(config: Settings, other: Settings) -> None:
    first, second = create_app(config).test_client(), create_app(other).test_client()
    upload(first, ["a.png"])
    upload(second, ["a.png", "b.png"])
    assert (queued(config), queued(other)) == (1, 2)


def test_the_single_images_of_two_applications_share_no_batch(config: Settings, other: Settings) -> None:
    tiers = [_tier(create_app(settings)) for settings in (config, other)]
    assert tiers[0].current_batch is not tiers[1].current_batch


def _tier(app: Flask) -> Tier:
    return cast(Tier, app.extensions[EXTENSION])
