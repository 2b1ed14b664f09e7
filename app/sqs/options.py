"""The transport's options, from ``broker_transport_options``, checked once."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

from app.aws.queues import LONG_POLL_S, MAX_RECEIVES, RETENTION_S, VISIBILITY_S
from app.errors import ConfigurationError


@dataclass(frozen=True)
class Options:
    """What the transport can be told. Seconds where the name does not say."""

    region: str | None = None
    endpoint_url: str | None = None
    """Where SQS and SNS are; boto3's own variables (AWS_ENDPOINT_URL, ...) count too."""
    queue_name_prefix: str = ""
    predefined_queues: dict[str, dict[str, Any]] = field(default_factory=dict, hash=False)
    """Queue name -> ``{"url": ...}``; a queue named here is never looked up, made or changed."""
    topic: str = "celery-fanout"
    """The SNS topic that carries events and remote control."""
    topic_arn: str | None = None
    """The same by its ARN: then it is never looked up or made."""
    fanout: bool = True
    """Whether events and remote control are carried at all."""
    listen: bool = True
    """Whether this process may make listener queues; without, it publishes events and hears no remote control."""
    listener_prefix: str = "celery-on-"
    """What the names of listeners' queues begin with; `app.sqs.sweep` finds them by it."""
    visibility_timeout: int = VISIBILITY_S
    wait_time_seconds: int = LONG_POLL_S
    read_ahead: int = 20
    """Messages held at most beyond what Celery's prefetch window takes, when tasks are quick."""
    max_receive_count: int = MAX_RECEIVES
    retention: int = RETENTION_S
    publish_timeout: float = 20.0
    """How long a publish is retried while SQS does not answer as it should."""
    background_queues: tuple[str, ...] = ()
    """Queues whose messages are worked on while no other consumed queue has one, and that leave room for these."""
    dead_letter_queue: str = ""
    """The one dead-letter queue of all queues that are made; each has its own unless told."""
    event_interval: float = 0.3
    """Events are published at most once in this time, in seconds; once in six times that while they come for long."""
    sqs_base64_encoding: bool = True
    credentials: tuple[str, str] | None = field(default=None, repr=False)
    """From the broker's URL; better left to boto3's chain."""

    @classmethod
    def of(
        cls, given: dict[str, Any], user: str | None = None, password: str | None = None, endpoint_url: str = ""
    ) -> Options:
        """Read the options that we know; others belong to kombu or Celery.

        Args:
            given: ``broker_transport_options``.
            user: the access key in the broker's URL.
            password: the secret key there.
            endpoint_url: the address there.

        Raises:
            ConfigurationError: a value is out of SQS's bounds, or the URL and the options contradict each other.
        """
        known = {f.name for f in fields(cls)} - {"credentials"}
        if endpoint_url and given.get("endpoint_url") not in (None, "", endpoint_url):
            raise ConfigurationError(
                f"the broker's URL says {endpoint_url}, and broker_transport_options['endpoint_url'] says "
                f"{given['endpoint_url']}: leave one out"
            )
        if bool(user) != bool(password):
            raise ConfigurationError("the broker's URL has one of access key and secret key: give both, or neither")
        given = {**given, "background_queues": tuple(given.get("background_queues") or ())}
        given = {**given, "endpoint_url": endpoint_url} if endpoint_url else given
        options = cls(
            **{name: value for name, value in given.items() if name in known and value is not None},
            credentials=(user, password) if user and password else None,
        )
        for name, (low, high) in _BOUNDS.items():
            _within(name, getattr(options, name), low, high)
        for name, queue in options.predefined_queues.items():
            url = queue.get("url", "")
            if not url:
                raise ConfigurationError(f"predefined_queues[{name!r}] has no 'url'")
            if url.endswith(".fifo") != name.endswith(".fifo"):
                raise ConfigurationError(
                    f"predefined_queues[{name!r}]: the name and the url must both end in .fifo, or neither"
                )
        return options


# Whole numbers where the bounds are.
_BOUNDS: dict[str, tuple[float, float]] = {
    "visibility_timeout": (2, 43_200),
    "wait_time_seconds": (0, LONG_POLL_S),
    "read_ahead": (0, 1000),
    "max_receive_count": (1, 1000),
    "retention": (60, RETENTION_S),
    "publish_timeout": (0.0, 3600.0),
    "event_interval": (0.0, 60.0),
}


def _within(name: str, value: Any, low: float, high: float) -> None:
    kind = int if isinstance(low, int) else (int, float)
    if isinstance(value, bool) or not isinstance(value, kind) or not low <= value <= high:
        what = "a whole number" if kind is int else "a number"
        raise ConfigurationError(f"broker_transport_options[{name!r}] = {value!r} must be {what} from {low} to {high}")
