"""The one seam to AWS: clients with finite timeouts, errors in our terms, queues, their depth, and buckets."""

from app.aws.clients import LAST_RESORT, LOOPBACK, Client, building, client, region, session, sns_publish, sqs_calls
from app.aws.errors import CHANGED, NO_KEY, NO_QUEUE, Failed, error_code, translated

__all__ = [
    "CHANGED",
    "LAST_RESORT",
    "LOOPBACK",
    "NO_KEY",
    "NO_QUEUE",
    "Client",
    "Failed",
    "building",
    "client",
    "error_code",
    "region",
    "session",
    "sns_publish",
    "sqs_calls",
    "translated",
]
