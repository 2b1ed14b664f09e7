"""Measures a real queue on one that is thrown away: how old SQS's counts are, and in what order it hands out."""

from __future__ import annotations

import bisect
import math
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean

from app import aws
from app.settings import Settings

BATCH = 10
# Between two messages' batches and between two counts, in seconds.
SEND_S, COUNT_S = 1.0, 0.5
# For so long the counts may yet come right after the last message, and a receive waits for one.
SETTLE_S, POLL_S = 60.0, 2


@dataclass(frozen=True, slots=True)
class Lag:
    """What was measured.

    Attributes:
        messages: how many were sent.
        ages_s: how old each count was, in seconds.
        disorder: 0 where messages came in the order in which they were sent, about 1 where in none at all.
        lost: how many did not come.
    """

    messages: int
    ages_s: tuple[float, ...]
    disorder: float
    lost: int

    def to_json(self) -> dict[str, float | str]:
        """Return it for programs."""
        return {
            "messages": self.messages,
            "lag_mean_s": round(fmean(self.ages_s), 2),
            "lag_p50_s": round(quantile(self.ages_s, 0.5), 2),
            "lag_p99_s": round(quantile(self.ages_s, 0.99), 2),
            "disorder": round(self.disorder, 3),
            "not_received": self.lost,
            "simulator": self.options,
        }

    @property
    def options(self) -> str:
        """Return the simulator's options for such a queue."""
        return f"--lag {max(0.1, fmean(self.ages_s)):.1f} --disorder {min(1.0, self.disorder):.2f}"


def measure(
    settings: Settings,
    seconds: float,
    say: Callable[[str], object],
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], object] = time.sleep,
) -> Lag:
    """Send ten messages a second for a while, counting them, and receive them; the queue is deleted whatever happens.

    Raises:
        ConfigurationError, TransientError: AWS refuses, or does not answer.
    """
    sqs = aws.client("sqs", settings.aws, read_timeout_s=POLL_S + 10)
    name = f"elastiq-doctor-{uuid.uuid4().hex[:12]}"
    with aws.translated(f"measuring on the queue {name!r}"):
        # What a kill leaves behind is empty within minutes.
        url = sqs.create_queue(QueueName=name, Attributes={"MessageRetentionPeriod": "600"})["QueueUrl"]
        try:
            say(f"sending to {name}, for {seconds:.0f} s")
            sent, counts = _count(sqs, url, seconds, clock, sleep)
            say("receiving")
            order = _receive(sqs, url, len(sent))
        finally:
            sqs.delete_queue(QueueUrl=url)
            say(f"{name} is deleted")
    return Lag(len(sent), ages(sent, counts), disorder(order), len(sent) - len(order))


def _count(
    sqs: aws.Client, url: str, seconds: float, clock: Callable[[], float], sleep: Callable[[float], object]
) -> tuple[list[float], list[tuple[float, int]]]:
    """Return when each message had been sent, and what was counted when, until the count is right."""
    sent: list[float] = []
    counts: list[tuple[float, int]] = []
    began = clock()
    while True:
        now = clock()
        if now - began < seconds and now - began >= len(sent) / BATCH * SEND_S:
            entries = [{"Id": str(at), "MessageBody": str(len(sent) + at)} for at in range(BATCH)]
            done = sqs.send_message_batch(QueueUrl=url, Entries=entries)["Successful"]
            sent += [clock()] * len(done)
        attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])
        counts.append((clock(), int(attributes["Attributes"]["ApproximateNumberOfMessages"])))
        over_s = counts[-1][0] - began - seconds
        if over_s >= 0 and (counts[-1][1] >= len(sent) or over_s > SETTLE_S):
            return sent, counts
        sleep(COUNT_S)


def _receive(sqs: aws.Client, url: str, wanted: int) -> list[int]:
    """Return the messages' numbers in the order in which they came."""
    came: dict[int, None] = {}
    empty = 0
    while len(came) < wanted and empty < 3:
        found = sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=BATCH, WaitTimeSeconds=POLL_S, VisibilityTimeout=300
        ).get("Messages", [])
        empty = 0 if found else empty + 1
        came.update((int(message["Body"]), None) for message in found)
    return list(came)


def ages(sent: Sequence[float], counts: Sequence[tuple[float, int]]) -> tuple[float, ...]:
    """Return how old each count was: since when there have been more messages than it says.

    Args:
        sent: when each message had been sent, ascending.
        counts: when something was counted, and what.
    """
    return tuple(max(0.0, at - sent[count]) if count < bisect.bisect(sent, at) else 0.0 for at, count in counts)


def disorder(order: Sequence[int]) -> float:
    """Return how far messages were from their places in the mean, of what it is where there is no order at all."""
    if len(order) < 2:
        return 0.0
    ranks = {number: rank for rank, number in enumerate(sorted(order))}
    away = fmean(abs(rank - ranks[number]) for rank, number in enumerate(order))
    return away / (len(order) / 3)


def quantile(values: Sequence[float], share: float) -> float:
    """Return the least value that so large a share of them does not exceed."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]
