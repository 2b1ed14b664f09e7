"""Publishing: one message per image, confirmed by the task queue before anybody is told that it is on its way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any

import structlog
from celery import Celery

from app.errors import ConfigurationError, TransientError
from app.process import spans
from tasks.celery import CLASSIFY, bulk

log = structlog.get_logger(__name__)

# Images in one line of the log.
LOGGED_AT_ONCE = 100


class Publisher:
    """Hands images to the task queue. Safe to share between threads.

    Args:
        celery: the application whose task queue it is.
        summon: is told how many images the queue has accepted.
    """

    def __init__(self, celery: Celery, summon: Callable[[int], object] = lambda count: None) -> None:
        self._celery, self._summon = celery, summon

    def publish(self, keys: Sequence[str]) -> None:
        """Hand ``keys`` to the task queue; return once it has accepted them all.

        Raises:
            TransientError: it has not; the images are stored, and publishing some of them twice does no harm.
            ConfigurationError: the queue is missing or closed to us.
        """
        try:
            # Lone messages of concurrent requests share calls anyway.
            with (
                spans.span("queued", images=len(keys)),
                bulk() if len(keys) > 1 else nullcontext(),
                self._celery.producer_or_acquire() as producer,
            ):
                headers = spans.carrier()
                sent = [(key, self._send(key, producer, headers)) for key in keys]
        except TransientError as err:
            raise TransientError(f"the images are stored, but not all are queued; send them again ({err})") from err
        except ConfigurationError as err:
            raise ConfigurationError(f"the images are stored, but cannot be queued ({err})") from err
        # By its key or its task's id an image is found in the logs of web and worker.
        for at in range(0, len(sent), LOGGED_AT_ONCE):
            log.info("images_queued", tasks=dict(sent[at : at + LOGGED_AT_ONCE]))
        self._summon(len(keys))

    def _send(self, key: str, producer: Any, headers: dict[str, str]) -> str:
        sent = self._celery.send_task(CLASSIFY, (key,), ignore_result=True, producer=producer, headers=headers)
        return str(sent.id)
