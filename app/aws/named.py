"""What an ARN names: the region that it is in, and the text of a secret."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from app.aws.clients import Client, client
from app.aws.errors import translated
from app.settings import AwsSettings


def client_of(arn: str, settings: AwsSettings, **options: Any) -> Client:
    """Return a client for what an ARN names, in its own region.

    Args:
        arn: of a service whose ARNs have a region.
        settings: the endpoint.
        options: as `clients.client` takes them.
    """
    _, _, service, region, *_ = arn.split(":")
    return client(service, replace(settings, region=region), **options)


def secret_text(arn: str, settings: AwsSettings) -> str:
    """Return the text that AWS Secrets Manager has under an ARN.

    Raises:
        ConfigurationError: it may not be read.
        TransientError: it is not there, or Secrets Manager does not answer.
    """
    with translated(f"reading the secret {arn!r}"):
        found = client_of(arn, settings, read_timeout_s=10, attempts=2).get_secret_value(SecretId=arn)
    return str(found["SecretString"])
