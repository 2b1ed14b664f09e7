"""The message format on the wire: kombu's envelope as JSON, in base64, as kombu's own SQS transport writes it."""

from __future__ import annotations

import base64
import math
from datetime import UTC, datetime
from typing import Any

from kombu.utils.json import dumps, loads

# SQS's most.
LONGEST_DELAY_S = 900
# The property of a message that SQS holds for all of its delay: it is due when it is received, whatever a clock says.
DELAYED = "delayed"


def encode(envelope: dict[str, Any], *, base64_body: bool = True) -> str:
    """Return the MessageBody for ``envelope``.

    Args:
        envelope: kombu's message: ``body``, ``headers``, ``properties``, ``content-type``, ``content-encoding``.
        base64_body: wrap the JSON in base64, which old kombu consumers expect.
    """
    text = dumps(envelope)
    return base64.b64encode(text.encode()).decode() if base64_body else str(text)


def decode(body: str) -> dict[str, Any]:
    """Return the envelope in a MessageBody.

    Raises:
        ValueError: no kombu wrote it.
    """
    text = body if body.lstrip().startswith("{") else base64.b64decode(body, validate=True).decode()
    envelope = loads(text)
    if not isinstance(envelope, dict) or not isinstance(envelope.get("properties"), dict) or "body" not in envelope:
        raise ValueError("it has no body and properties")
    return envelope


def seconds_until_eta(envelope: dict[str, Any], now: datetime) -> float:
    """Return the seconds from ``now`` to the task's ETA; 0 when it has none or it has passed."""
    eta = (envelope.get("headers") or {}).get("eta")
    if not eta:
        return 0.0
    try:
        when = datetime.fromisoformat(eta)
    except (TypeError, ValueError):
        return 0.0
    return max(0.0, (when.replace(tzinfo=when.tzinfo or UTC) - now).total_seconds())


def entry(
    queue: str, envelope: dict[str, Any], *, seconds: float = 0, base64_body: bool = True, again: str = ""
) -> dict[str, Any]:
    """Return SendMessageBatch's entry for ``envelope``, without its Id.

    Args:
        queue: the queue's name; one that ends in ``.fifo`` is a FIFO queue.
        envelope: kombu's message.
        seconds: how long it is to be hidden, as far as SQS can: 15 minutes, and not at all on a FIFO queue.
        base64_body: as for `encode`.
        again: tells it apart from an earlier sending of the same, which a FIFO queue would drop it for.
    """
    properties = envelope.get("properties") or {}
    if 0 < seconds <= LONGEST_DELAY_S and not queue.endswith(".fifo"):
        envelope = {**envelope, "properties": {**properties, DELAYED: True}}
    found: dict[str, Any] = {"MessageBody": encode(envelope, base64_body=base64_body)}
    if queue.endswith(".fifo"):
        # A FIFO queue takes no delay by message; the consumer hides it.
        own = f"{properties.get('MessageDeduplicationId') or properties.get('delivery_tag')}"
        found["MessageGroupId"] = str(properties.get("MessageGroupId", "default"))
        found["MessageDeduplicationId"] = f"{own}{again}"[:128]
        return found
    if "MessageGroupId" in properties:  # fair queues
        found["MessageGroupId"] = str(properties["MessageGroupId"])
    if seconds > 0:
        found["DelaySeconds"] = min(LONGEST_DELAY_S, math.ceil(seconds))
    return found
