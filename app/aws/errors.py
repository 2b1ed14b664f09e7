"""AWS's errors in our terms, whichever library met them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

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

# One refusal has another name in each service, and only a number where a HEAD request has no body.
# These credentials are none, or not any more.
NOT_KNOWN = {
    "IncompleteSignature",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
}
DENIED = NOT_KNOWN | {
    "403",
    "AccessDenied",
    "AccessDeniedException",
    "AuthFailure",
    "AuthorizationError",
    "MissingAuthenticationToken",
    "UnauthorizedOperation",
}
_ELSEWHERE = {"301", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException", "PermanentRedirect"}
# The number alone where an answer has no body, or a key that its XML cannot bear.
NO_KEY = {"NoSuchKey", "404"}
# An object is not the one any more on whose condition it was to be written.
CHANGED = {"PreconditionFailed", "ConditionalRequestConflict", "412", "409"}
NO_QUEUE = {"QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue", "NonExistentQueue"}
NO_TOPIC = {"NotFound", "NotFoundException"}
# The same call may work in a moment.
BUSY = {
    "InternalError",
    "InternalFailure",
    "KmsThrottled",
    "OverLimit",
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestTimeout",
    "ServiceUnavailable",
    "Throttling",
    "ThrottlingException",
}
# The chain may have newer credentials.
EXPIRED = {"ExpiredToken", "ExpiredTokenException", "RequestExpired"}
_MISSING = {"NoSuchBucket", "NotFoundException", *NO_QUEUE}
_CREDENTIALS = (InvalidConfigError, NoCredentialsError, NoRegionError, PartialCredentialsError, ProfileNotFound)


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
    if code in DENIED:
        return ConfigurationError(f"{what}: AWS refused ({code}); check the credentials and their policy")
    if code in _ELSEWHERE:
        return ConfigurationError(f"{what}: it is in another region ({code}); set AWS_REGION to that")
    if code in _MISSING:
        return ConfigurationError(f"{what}: it does not exist ({code}); run `elastiq provision`")
    return TransientError(f"{what}: {code}: {text}")


def error_code(err: ClientError) -> str:
    """Return AWS's error code, such as ``NoSuchKey``, or the HTTP status where there is none."""
    return str(err.response.get("Error", {}).get("Code") or err.response["ResponseMetadata"].get("HTTPStatusCode", "?"))
