"""boto3 clients with finite timeouts, all of one session."""

from __future__ import annotations

from functools import cache
from threading import Lock
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError

from app.errors import ConfigurationError
from app.settings import AwsSettings

LOOPBACK = {"127.0.0.1", "::1", "localhost"}

Client = Any  # boto3 makes its clients at run time; they have no static type

# Clients are safe to share between threads, a session is not. One session, so that it reads AWS's models and fetches
# the credentials once: a client then costs 5 ms, not 90.
building = Lock()


def client(
    service: str, settings: AwsSettings, *, read_timeout_s: float = 20, attempts: int = 4, connections: int = 32
) -> Client:
    """Return a thread-safe client for ``service``; no call of it can hang for ever.

    Args:
        service: boto3's name: ``s3``, ``sqs``, ``sns``, ``ec2``.
        settings: the region and the endpoint; the credentials come through boto3's own chain.
        read_timeout_s: seconds to wait for an answer, above any long poll's own wait.
        attempts: calls made at most, the first included.
        connections: size of the connection pool; as many threads can call at once.

    Raises:
        ConfigurationError: the region's name or AWS's own configuration files make no sense.
    """
    config = Config(
        connect_timeout=5,
        read_timeout=read_timeout_s,
        retries={"mode": "standard", "total_max_attempts": attempts},
        max_pool_connections=connections,
        s3={"addressing_style": "path"} if settings.endpoint_url else None,
        # A proxy that the environment names for the Internet cannot reach this machine's loopback.
        proxies={} if urlsplit(settings.endpoint_url).hostname in LOOPBACK else None,
    )
    try:
        with building:
            return session().client(
                service, region_name=settings.region, endpoint_url=settings.endpoint_url or None, config=config
            )
    except (BotoCoreError, ValueError) as err:
        raise ConfigurationError(f"AWS's {service} cannot be used: {err}; check AWS's usual variables") from err


@cache
def session() -> Any:
    """Return the session that all clients of this process share, and with it the credentials.

    Whoever uses it holds `building`.
    """
    return boto3.session.Session()
