"""boto3 clients with finite timeouts, and the translation of AWS's errors into ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from threading import Lock
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    InvalidConfigError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    ProfileNotFound,
)

from app.errors import ConfigurationError, ElastiqError, TransientError
from app.settings import Settings

# One refusal has another name in each service, and only a number where a HEAD request has no body.
_DENIED = {
    "403",
    "AccessDenied",
    "AccessDeniedException",
    "AuthFailure",
    "AuthorizationError",
    "IncompleteSignature",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "MissingAuthenticationToken",
    "SignatureDoesNotMatch",
    "UnauthorizedOperation",
    "UnrecognizedClientException",
}
_ELSEWHERE = {"301", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException", "PermanentRedirect"}
# The number alone where an answer has no body, or a key that its XML cannot bear.
NO_KEY = {"NoSuchKey", "404"}
NO_QUEUE = {"QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue"}
_MISSING = {"NoSuchBucket", "NotFoundException", *NO_QUEUE}
_CREDENTIALS = (InvalidConfigError, NoCredentialsError, NoRegionError, PartialCredentialsError, ProfileNotFound)
LOOPBACK = {"127.0.0.1", "::1", "localhost"}

Client = Any  # boto3 makes its clients at run time; they have no static type

# Clients are safe to share between threads, a session is not. One session, so that it reads AWS's models and fetches
# the credentials once: a client then costs 5 ms, not 90.
building = Lock()


def client(
    service: str, settings: Settings, *, read_timeout_s: float = 20, attempts: int = 4, connections: int = 32
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


class Failed(Exception):
    """A call that AWS or the network failed, made by other means than boto3; `translated` turns it into ours.

    Attributes:
        code: AWS's error code, such as ``AccessDenied``, or whatever else says what it was.
        text: what there is to tell beside it.
    """

    def __init__(self, code: str, text: str) -> None:
        super().__init__(f"{code}: {text}")
        self.code, self.text = code, text


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Turn boto3's errors into ours, prefixed with ``what`` was tried.

    Raises:
        ConfigurationError: the credentials, the region, the bucket or the queue are wrong.
        TransientError: anything else that AWS or the network answered.
    """
    try:
        yield
    except ClientError as err:
        raise _error(what, error_code(err), err.response.get("Error", {}).get("Message", "")) from err
    except Failed as err:
        raise _error(what, err.code, err.text) from err
    except _CREDENTIALS as err:
        raise ConfigurationError(
            f"{what}: {err}; set AWS's usual variables or use an instance role; "
            'for the embedded cloud: eval "$(elastiq env)"'
        ) from err
    except BotoCoreError as err:
        raise TransientError(f"{what}: {err}") from err


def _error(what: str, code: str, text: str) -> ElastiqError:
    if code in _DENIED:
        return ConfigurationError(f"{what}: AWS refused ({code}); check the credentials and their policy")
    if code in _ELSEWHERE:
        return ConfigurationError(f"{what}: it is in another region ({code}); set AWS_REGION to that")
    if code in _MISSING:
        return ConfigurationError(f"{what}: it does not exist ({code}); run `elastiq provision`")
    return TransientError(f"{what}: {code}: {text}")


def error_code(err: ClientError) -> str:
    """Return AWS's error code, such as ``NoSuchKey``, or the HTTP status where there is none."""
    return str(err.response.get("Error", {}).get("Code") or err.response["ResponseMetadata"].get("HTTPStatusCode", "?"))
