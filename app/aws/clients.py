"""Ways to call AWS, with finite timeouts, all of one session: boto3's clients, and SQS and SNS at less cost."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from functools import cache
from threading import Lock
from typing import Any
from urllib.parse import urlsplit

import boto3
import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError
from botocore.utils import get_environ_proxies, parse_timestamp

from app.aws.calls import calls
from app.aws.signed import SignedCalls, SignedPublish
from app.errors import ConfigurationError
from app.settings import AwsSettings

LOOPBACK = {"127.0.0.1", "::1", "localhost"}
CONNECT_S = 5

Client = Any  # boto3 makes its clients at run time; they have no static type

_lock = Lock()
# Where neither the settings nor AWS's own files name one; kombu and AWS's older tools take it too.
LAST_RESORT = "us-east-1"


@contextmanager
def building() -> Iterator[None]:
    """Hold the lock under which sessions are used. Clients are safe to share between threads, a session is not."""
    with _lock:
        yield


class Session:
    """boto3's session and botocore's beneath it. Whoever uses one of them holds `building`.

    Args:
        credentials: an access key and its secret; boto3's own chain unless given.
    """

    def __init__(self, credentials: tuple[str, str] | None = None) -> None:
        self.core = botocore.session.Session()
        self.core.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=timestamp)
        if credentials:
            self.core.set_credentials(*credentials)
        self.boto3 = boto3.session.Session(botocore_session=self.core)

    def keys(self) -> tuple[str, str, str | None] | None:
        """Return the credentials as they are now; None where there are none."""
        found = self.core.get_credentials()
        if found is None:
            return None
        frozen = found.get_frozen_credentials()
        return str(frozen.access_key), str(frozen.secret_key), frozen.token


def timestamp(value: Any) -> datetime:
    """Return the time that an answer of AWS names, as botocore does; its dateutil is most of what a list costs."""
    if isinstance(value, str) and value.endswith("Z"):
        with suppress(ValueError):
            return datetime.fromisoformat(value)
    return parse_timestamp(value)


@cache
def session() -> Session:
    """Return the session that all clients of this process share, and with it the credentials.

    One, so that it reads AWS's models and fetches the credentials once: a client then costs 5 ms, not 90. Whoever uses
    it holds `building`.
    """
    return Session()


def _in_a_child() -> None:
    """Share no lock, connection or session with the process that forked this one."""
    global _lock
    _lock = Lock()
    session.cache_clear()


os.register_at_fork(after_in_child=_in_a_child)


def client(
    service: str,
    settings: AwsSettings,
    *,
    read_timeout_s: float = 20,
    attempts: int = 4,
    connections: int = 32,
    own: Session | None = None,
) -> Client:
    """Return a thread-safe client for ``service``; no call of it can hang for ever.

    Args:
        service: boto3's name: ``s3``, ``sqs``, ``sns``, ``ec2``.
        settings: the region and the endpoint; the credentials come through boto3's own chain.
        read_timeout_s: seconds to wait for an answer, above any long poll's own wait.
        attempts: calls made at most, the first included.
        connections: size of the connection pool; as many threads can call at once.
        own: a session with credentials of its own; the process's unless given.

    Raises:
        ConfigurationError: the region's name or AWS's own configuration files make no sense.
    """
    config = Config(
        connect_timeout=CONNECT_S,
        read_timeout=read_timeout_s,
        retries={"mode": "standard", "total_max_attempts": attempts},
        max_pool_connections=connections,
        s3={"addressing_style": "path"} if settings.endpoint_url else None,
        proxies={} if on_loopback(settings.endpoint_url) else None,
    )
    try:
        with building():
            # boto3's stubs know a service by its literal name alone.
            boto: Any = (own or session()).boto3
            made = boto.client(
                service,
                region_name=settings.region or boto.region_name or LAST_RESORT,
                endpoint_url=settings.endpoint_url or None,
                config=config,
            )
            calls.watch(made)
            return made
    except (BotoCoreError, ValueError) as err:
        raise ConfigurationError(f"AWS's {service} cannot be used: {err}; check AWS's usual variables") from err


def sqs_calls(
    settings: AwsSettings, *, read_timeout_s: float, connections: int, own: Session | None = None
) -> SignedCalls:
    """Return a way to call SQS that tries once, at some 60 % of what a call costs through a client.

    Args:
        settings: the region and the endpoint.
        read_timeout_s: seconds to wait for an answer, above any long poll's own wait.
        connections: as many threads can call at once.
        own: a session with credentials of its own; the process's unless given.

    Raises:
        ConfigurationError: the region's name or AWS's own configuration files make no sense.
    """
    return SignedCalls(_core(own), **_where("sqs", settings, read_timeout_s, connections, own))


def sns_publish(
    settings: AwsSettings, *, read_timeout_s: float, connections: int, own: Session | None = None
) -> SignedPublish:
    """Return a way to publish to SNS that tries once, at a third of a client's cost; as `sqs_calls`.

    Raises:
        ConfigurationError: the region's name or AWS's own configuration files make no sense.
    """
    return SignedPublish(_core(own), **_where("sns", settings, read_timeout_s, connections, own))


def _core(own: Session | None) -> Any:
    with building():
        return (own or session()).core


def _where(
    service: str, settings: AwsSettings, read_timeout_s: float, connections: int, own: Session | None
) -> dict[str, Any]:
    meta = client(service, settings, own=own).meta  # knows where it is in a region, and AWS's variables for that
    return {
        "endpoint_url": meta.endpoint_url,
        "region": meta.region_name,
        "timeout_s": (CONNECT_S, read_timeout_s),
        "connections": connections,
        "proxies": {} if on_loopback(meta.endpoint_url) else get_environ_proxies(meta.endpoint_url),
    }


def region(settings: AwsSettings) -> str:
    """Return the region: the settings', else what boto3's chain finds (a profile's, a file's), else the last resort."""
    with building():
        return settings.region or str(session().boto3.region_name or LAST_RESORT)


def on_loopback(url: str) -> bool:
    """Return whether ``url`` is on this machine, where a proxy that the environment names cannot reach it."""
    return urlsplit(url).hostname in LOOPBACK
