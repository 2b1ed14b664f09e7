"""How long queues keep and hide, how often they hand out, and the making of one with its dead-letter queue."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

# SQS's most: what was accepted outlives a long weekend of nobody looking.
RETENTION_S = 14 * 24 * 3600
# A dead worker's messages are with another after so long; living ones extend.
VISIBILITY_S = 30
# After so many receives a message is a dead letter.
MAX_RECEIVES = 5
# SQS's longest wait of a poll.
LONG_POLL_S = 20

Call = Callable[..., dict[str, Any]]


@dataclass(frozen=True, slots=True)
class QueuePlan:
    """What a task queue is to be, in seconds and receives; its dead-letter queue keeps messages as long.

    ``dead_letters`` is that queue's name, where it is another's too; else it is `dead_letter_queue` of its own name.
    """

    retention_s: int = RETENTION_S
    visibility_s: int = VISIBILITY_S
    max_receives: int = MAX_RECEIVES
    dead_letters: str = ""


def dead_letter_queue(name: str) -> str:
    """Return the name of the dead-letter queue of ``name``: ``tasks-dead``, ``tasks-dead.fifo``."""
    stem, fifo = (name[:-5], ".fifo") if name.endswith(".fifo") else (name, "")
    return f"{stem}-dead{fifo}"


def dead_letter_attributes(name: str, plan: QueuePlan) -> dict[str, str]:
    """Return the attributes of the dead-letter queue of ``name``."""
    fifo = {"FifoQueue": "true"} if name.endswith(".fifo") else {}
    return {"MessageRetentionPeriod": str(plan.retention_s), **fifo}


def task_queue_attributes(name: str, plan: QueuePlan, dead_letters_arn: str) -> dict[str, str]:
    """Return the attributes of the task queue ``name``, whose dead letters go to ``dead_letters_arn``."""
    redrive = {"deadLetterTargetArn": dead_letters_arn, "maxReceiveCount": plan.max_receives}
    return {
        **dead_letter_attributes(name, plan),
        "VisibilityTimeout": str(plan.visibility_s),
        "ReceiveMessageWaitTimeSeconds": str(LONG_POLL_S),
        "RedrivePolicy": json.dumps(redrive),
    }


def make_queue(call: Call, name: str, plan: QueuePlan) -> str:
    """Make the task queue ``name`` and its dead-letter queue, whichever is missing.

    Args:
        call: makes a call to SQS, as ``call("create_queue", QueueName=...)``; its errors come through.
        name: SQS's name for it.
        plan: what it is to be.

    Returns:
        Its address.
    """
    dead_name = plan.dead_letters or dead_letter_queue(name)
    dead = call("create_queue", QueueName=dead_name, Attributes=dead_letter_attributes(name, plan))
    attributes = task_queue_attributes(name, plan, arn_of(call, dead["QueueUrl"]))
    return str(call("create_queue", QueueName=name, Attributes=attributes)["QueueUrl"])


def mend_queue(call: Call, name: str, plan: QueuePlan, find: Callable[[str], str | None]) -> dict[str, bool]:
    """Make the task queue ``name`` and its dead-letter queue where they are missing, and set right what is there.

    Args:
        call: makes a call to SQS, as `make_queue` has it.
        name: SQS's name for it.
        plan: what it is to be.
        find: returns the address of a queue by its name; None where there is none.

    Returns:
        The names of the two, the dead-letter queue first, and whether each was made.
    """
    dead = plan.dead_letters or dead_letter_queue(name)
    dead_url, dead_made = _made_or_mended(call, dead, dead_letter_attributes(name, plan), find)
    attributes = task_queue_attributes(name, plan, arn_of(call, dead_url))
    _, made = _made_or_mended(call, name, attributes, find)
    return {dead: dead_made, name: made}


def _made_or_mended(
    call: Call, name: str, attributes: dict[str, str], find: Callable[[str], str | None]
) -> tuple[str, bool]:
    url = find(name)
    if url is None:
        return str(call("create_queue", QueueName=name, Attributes=attributes)["QueueUrl"]), True
    # What a queue was made as, FIFO or not, cannot be changed, nor may it be named.
    changed = {key: value for key, value in attributes.items() if key != "FifoQueue"}
    call("set_queue_attributes", QueueUrl=url, Attributes=changed)
    return url, False


def arn_of(call: Call, url: str) -> str:
    """Return the ARN of the queue at ``url``."""
    answer = call("get_queue_attributes", QueueUrl=url, AttributeNames=["QueueArn"])
    return str(answer["Attributes"]["QueueArn"])
