"""AWS's errors in our terms: each says what was tried and what to do, and tells what may pass from what will not."""

from __future__ import annotations

import pytest
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
)

from app import aws
from app.errors import ConfigurationError, ElastiqError, TransientError


def answer(code: str, status: int = 400) -> ClientError:
    error = {"Code": code, "Message": "in AWS's words"} if code else {}
    return ClientError({"Error": error, "ResponseMetadata": {"HTTPStatusCode": status}}, "Call")


@pytest.mark.parametrize(
    ("caught", "kind", "says"),
    [
        (answer("AccessDenied"), ConfigurationError, "AWS refused (AccessDenied); check the credentials"),
        (answer("", 403), ConfigurationError, "AWS refused (403); check the credentials"),
        (answer("InvalidAccessKeyId"), ConfigurationError, "check the credentials"),
        (answer("UnauthorizedOperation"), ConfigurationError, "check the credentials"),
        (answer("PermanentRedirect"), ConfigurationError, "in another region (PermanentRedirect); set AWS_REGION"),
        (answer("NoSuchBucket"), ConfigurationError, "does not exist (NoSuchBucket); run `elastiq provision`"),
        (answer("QueueDoesNotExist"), ConfigurationError, "run `elastiq provision`"),
        (answer("AWS.SimpleQueueService.NonExistentQueue"), ConfigurationError, "run `elastiq provision`"),
        (NoCredentialsError(), ConfigurationError, "set AWS's usual variables"),
        (PartialCredentialsError(provider="env", cred_var="AWS_SECRET_ACCESS_KEY"), ConfigurationError, "usual"),
        (NoRegionError(), ConfigurationError, "set AWS's usual variables"),
        (answer("SlowDown", 503), TransientError, "SlowDown: in AWS's words"),
        (answer("ExpiredToken"), TransientError, "ExpiredToken"),
        (answer("", 500), TransientError, "500"),
        (answer("NeverHeardOf"), TransientError, "NeverHeardOf: in AWS's words"),
        (ConnectTimeoutError(endpoint_url="https://example.test"), TransientError, "https://example.test"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BotoCoreError) else None,
)
def test_an_error_of_aws_becomes_ours_and_says_what_to_do(
    caught: Exception, kind: type[ElastiqError], says: str
) -> None:
    with pytest.raises(kind) as found, aws.translated("reading 'cat.png'"):
        raise caught

    assert str(found.value).startswith("reading 'cat.png': ")
    assert says in str(found.value)
    assert found.value.__cause__ is caught


def test_other_errors_pass_untouched() -> None:
    with pytest.raises(ZeroDivisionError), aws.translated("reading"):
        raise ZeroDivisionError
