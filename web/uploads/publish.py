"""Publishing: one message per image, confirmed by its queue before anybody is told that it is on its way."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any

import structlog
from celery import Celery

from app.domain import batch_of
from app.errors import ConfigurationError, TransientError
from app.process import spans
from tasks.celery import CLASSIFY, bulk
from web.uploads.turns import Turns

log = structlog.get_logger(__name__)

# Images in one line of the log.
LOGGED_AT_ONCE = 100


class Publisher:
    """Hands images to the task queue. Safe to share between threads.

    Args:
        celery: the application whose task queue it is.
        summon: is told how many images the queue has accepted.
        bulk: the queue of what may wait; empty where there is none.
        first: how many images of a batch do not wait there, unless it is told otherwise.
    """

    def __init__(
        self,
        celery: Celery,
        summon: Callable[[int], object] = lambda count: None,
        bulk: str = "",
        first: float = math.inf,
    ) -> None:
        self._celery, self._summon = celery, summon
        self._bulk, self._first, self._turns = bulk, first if bulk else math.inf, Turns()

    def publish(self, keys: Sequence[str], first: float | None = None) -> None:
        """Hand ``keys``, all of one batch, to the queues; return once these have accepted them all.

        Args:
            keys: the images.
            first: how many of the batch go before what waits in the bulk queue; 0: none of them, infinite: all.

        Raises:
            TransientError: it has not; the images are stored, and publishing some of them twice does no harm.
            ConfigurationError: the queue is missing or closed to us.
        """
        most = self._first if first is None or not self._bulk else first
        at_once = self._turns.first(batch_of(keys[0]), len(keys), most) if math.isfinite(most) else len(keys)
        try:
            # Lone messages of concurrent requests share calls anyway.
            with (
                spans.span("queued", images=len(keys)),
                bulk() if len(keys) > 1 else nullcontext(),
                self._celery.producer_or_acquire() as producer,
            ):
                options = {"ignore_result": True, "producer": producer, "headers": spans.carrier()}
                queues = [self._queue(name, producer) for name in ("", self._bulk)]
                sent = [(key, self._send(key, queues[n >= at_once], options)) for n, key in enumerate(keys)]
        except TransientError as err:
            raise TransientError(f"the images are stored, but not all are queued; send them again ({err})") from err
        except ConfigurationError as err:
            raise ConfigurationError(f"the images are stored, but cannot be queued ({err})") from err
        # By its key or its task's id an image is found in the logs of web and worker.
        for at in range(0, len(sent), LOGGED_AT_ONCE):
            log.info("images_queued", tasks=dict(sent[at : at + LOGGED_AT_ONCE]))
        self._summon(len(keys))

    def _queue(self, name: str, producer: Any) -> Any:
        """Return a queue, the task queue unless named, bound to the producer; Celery would bind it for each image."""
        return self._celery.amqp.queues[name or self._celery.conf.task_default_queue].bind(producer.channel)

    def _send(self, key: str, queue: Any, options: dict[str, Any]) -> str:
        return str(self._celery.send_task(CLASSIFY, (key,), queue=queue, **options).id)
