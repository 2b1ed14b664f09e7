"""The one seam to AWS: clients with finite timeouts, errors in our terms, queues, their depth, and buckets."""

from app.aws.clients import LOOPBACK, Client, building, client, session, sqs_calls
from app.aws.errors import NO_KEY, NO_QUEUE, Failed, error_code, translated

__all__ = [
    "LOOPBACK",
    "NO_KEY",
    "NO_QUEUE",
    "Client",
    "Failed",
    "building",
    "client",
    "error_code",
    "session",
    "sqs_calls",
    "translated",
]
