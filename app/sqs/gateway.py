"""What one process shares between its connections: the calls, the leases, the outbox, the sender, the fan-out."""

from __future__ import annotations

import atexit
import os
import threading
import time

from kombu.log import get_logger

from app.sqs import background
from app.sqs.api import POLL_GRACE_S, Api, Refused, Unavailable
from app.sqs.fanout import Fanout
from app.sqs.leases import Lease, Leases
from app.sqs.metrics import metrics
from app.sqs.options import Options
from app.sqs.outbox import Outbox
from app.sqs.poller import Poller
from app.sqs.queues import Queues
from app.sqs.sender import Sender

logger = get_logger("app.sqs")

TOUCH_S = 600
WATCH_S = 1.0
CLOSE_S = 10.0
# The pause of a message that its task rejected: 1 s, doubled with each receive.
LONGEST_BACKOFF_S = 60

_gateways: dict[tuple[int, Options], Gateway] = {}
_lock = threading.Lock()


class Gateway:
    """One process's way to SQS and SNS. Get it with `gateway`; a forked child gets one of its own."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.api = Api(options, metrics)
        self.leases = Leases(self.api, options.visibility_timeout)
        self.outbox = Outbox(self.api, self.leases)
        self.sender = Sender(self.api, options.publish_timeout)
        self.queues = Queues(self.api, options)
        self.fanout = Fanout(self.api, options)
        self.pollers: set[Poller] = set()
        self._pid = os.getpid()
        self._touched_at = time.monotonic()
        self._stopped = threading.Event()
        background.start("sqs-watchdog", self._watch, self._stopped)
        atexit.register(self.close)

    def reject(self, lease: Lease) -> None:
        """Give up on this attempt: the message comes again after a pause that grows.

        SQS moves it to the dead-letter queue once it has been received often enough. Where there is no
        dead-letter queue it is then deleted, and that is logged.
        """
        metrics.count("rejected")
        spent = lease.receive_count >= self.options.max_receive_count
        if spent and not self.queues.has_dead_letters(lease.queue_url):
            text = "message_discarded message_id=%s receives=%d: its queue has no dead-letter queue"
            logger.error(text, lease.message_id, lease.receive_count)
            self.outbox.delete(lease)
        else:
            pause_s = min(LONGEST_BACKOFF_S, 2 ** (lease.receive_count - 1))
            self.outbox.give_back(lease, 0 if spent else pause_s)

    @property
    def ours(self) -> bool:
        """Return whether this is the process that made it; a forked child's copy has no threads."""
        return self._pid == os.getpid()

    @property
    def closed(self) -> bool:
        """Return whether it has been closed."""
        return self._stopped.is_set()

    def close(self) -> None:
        """Give back all that is held, send what waits, wait for polls under way, delete this process's own queues."""
        if self.closed or not self.ours:
            return
        self._stopped.set()
        for poller in list(self.pollers):
            poller.stop()
        # A message that the server hands to a poll under way would stay hidden until its lease ends.
        deadline = time.monotonic() + self.options.wait_time_seconds + POLL_GRACE_S
        for poller in [poller for poller in list(self.pollers) if not poller.transient]:
            poller.join(max(0.0, deadline - time.monotonic()))
        for lease in self.leases.all():
            self.outbox.give_back(lease)
        if not self.outbox.flush(CLOSE_S):
            logger.error("closed_unflushed: some acknowledgements were not sent; those messages will come again")
        self.fanout.flush(2)
        self._delete_listeners()
        for part in (self.leases, self.outbox, self.fanout):
            part.stop()

    def _delete_listeners(self) -> None:
        try:
            for name in self.queues.listeners():
                self.fanout.unsubscribe(name)
                self.queues.delete_listener(name)
        except (Unavailable, Refused) as err:
            logger.warning("listener_left error=%s: it will be swept", err)

    def _watch(self) -> None:
        self._stopped.wait(WATCH_S)
        for poller in list(self.pollers):
            poller.revive()
        if time.monotonic() - self._touched_at > TOUCH_S:
            self._touched_at = time.monotonic()
            try:
                self.queues.touch()
            except (Unavailable, Refused) as err:
                logger.warning("touch_failed error=%s", err)


def gateway(options: Options) -> Gateway:
    """Return this process's gateway for ``options``, made at the first call."""
    key = (os.getpid(), options)
    with _lock:
        if key not in _gateways or _gateways[key].closed:
            _gateways[key] = Gateway(options)
        return _gateways[key]
