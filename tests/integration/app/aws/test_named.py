"""What an ARN names is asked for in its own region; a secret is read where AWS Secrets Manager has it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from app import aws
from app.aws.named import client_of, secret_text
from app.batches.record import BatchRecord
from app.batches.webhook import SIGNATURE, TIMESTAMP, signed
from app.errors import ElastiqError
from app.local import EmbeddedCloud
from app.settings import HookSettings, Settings
from autoscaler.sweep.channels import Webhook
from tests.support.webhooks import receiver

ELSEWHERE = "arn:aws:secretsmanager:eu-north-1:000000000000:secret:none-a1b2c3"
TOLD = {"id": "completed-x", "counts": {}}


@pytest.fixture
def keeper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """An account with Secrets Manager alone."""
    cloud = EmbeddedCloud(tmp_path / "cloud", services="secretsmanager")
    cloud.start()
    for name, value in cloud.environment.items():
        monkeypatch.setenv(name, value)
    yield Settings.from_environment({**cloud.environment, "AWS_REGION": "eu-north-1"})
    cloud.stop()


def test_a_client_is_of_the_region_that_the_arn_is_in(keeper: Settings) -> None:
    arn = "arn:aws:sns:ap-south-1:000000000000:completions"
    assert client_of(arn, keeper.aws).meta.region_name == "ap-south-1"


def test_a_webhook_is_signed_with_the_secret_that_is_kept_now(keeper: Settings) -> None:
    manager = aws.client("secretsmanager", keeper.aws)
    arn = manager.create_secret(Name="hooks", SecretString="first")["ARN"]
    assert secret_text(arn, keeper.aws) == "first"
    with receiver() as hook:
        webhook = Webhook(HookSettings(hosts=hook.host, secret=arn), keeper.aws)
        record = BatchRecord("20261124T101530123Z-9f2c01ab", webhook=f"{hook.host}/hook")
        webhook.send(record, TOLD)
        manager.put_secret_value(SecretId=arn, SecretString="second")
        webhook.send(record, TOLD)
    for secret, (_, headers, body) in zip(("first", "second"), hook.messages, strict=True):
        assert headers[SIGNATURE] == signed(body, secret, "completed-x", int(headers[TIMESTAMP]))[SIGNATURE]


def test_where_there_is_no_secret_nothing_is_sent_and_the_error_names_it(keeper: Settings) -> None:
    with receiver() as hook:
        webhook = Webhook(HookSettings(hosts=hook.host, secret=ELSEWHERE), keeper.aws)
        record = BatchRecord("20261124T101530123Z-9f2c01ab", webhook=f"{hook.host}/hook")
        with pytest.raises(ElastiqError, match="none-a1b2c3"):
            webhook.send(record, TOLD)
    assert hook.messages == []


def test_a_secret_that_is_no_arn_is_the_secret_itself() -> None:
    assert HookSettings(secret="text").secret_arn == ""
    assert replace(HookSettings(), secret=ELSEWHERE).secret_arn == ELSEWHERE
