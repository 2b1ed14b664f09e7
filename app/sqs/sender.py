"""Sends, ten to a call. A send returns once SQS has the message; concurrent senders share calls; `bulk` sends many.

Each message stands for itself: what SQS would not take costs its neighbours in a call nothing.
"""

from __future__ import annotations

import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from kombu.log import get_logger

from app.sqs import background
from app.sqs.api import Api
from app.sqs.errors import Denied, QueueMissing, Refused, Unavailable
from app.sqs.leases import BATCH
from app.sqs.metrics import metrics

logger = get_logger("app.sqs")

# SQS takes 1 MiB in a call, attributes and all; the margin is for those.
CALL_BYTES = 1024 * 1024 - 8 * 1024
# Calls in flight per queue: more only when one call's round trip holds back many senders.
CALLS = 4
BULK_THREADS = 4

_bulk: ContextVar[_Bulk | None] = ContextVar("bulk", default=None)


@dataclass(eq=False, slots=True)
class _Entry:
    wire: dict[str, Any]
    size: int
    anew: Callable[[], str] | None = None
    turn: threading.Condition | None = None
    settled: bool = False
    error: Exception | None = None


class _Lane:
    """What waits for one queue, how many calls are under way, and how many threads have to do with it.

    Each sender waits for a turn of its own, so that a call's end wakes those whom it concerns and not the crowd.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.users = 0
        self.waiting: deque[_Entry] = deque()
        self.calls = 0

    @property
    def open(self) -> bool:
        """Return whether a call should be made now: none is under way, or a full one is waiting."""
        return bool(self.waiting) and (self.calls == 0 or (self.calls < CALLS and len(self.waiting) >= BATCH))

    def wait(self, entry: _Entry) -> None:
        """Wait until this entry is settled, or somebody should make the next call."""
        entry.turn = threading.Condition(self.lock)
        try:
            entry.turn.wait()
        except BaseException:  # an interrupt: its message waits no more, and its turn may be another's
            if entry in self.waiting:
                self.waiting.remove(entry)
            self._wake([])
            raise

    def called(self, entries: list[_Entry]) -> None:
        """Wake whoever sent these, and who is to make the next call."""
        self.calls -= 1
        self._wake(entries)

    def _wake(self, entries: list[_Entry]) -> None:
        for entry in [*entries, self.waiting[0]] if self.open else entries:
            if entry.turn is not None:
                entry.turn.notify()


class Sender:
    """Sends messages; safe to share between threads.

    One of the threads that wait makes the call for up to ten of them, so that messages are gathered only
    while earlier calls are under way and a lone one goes at once.

    Args:
        api: the calls.
        timeout_s: how long to try again while SQS does not answer as it should.
    """

    def __init__(self, api: Api, timeout_s: float) -> None:
        self._api, self._timeout_s = api, timeout_s
        self._lanes: dict[str, _Lane] = {}
        self._lock = threading.Lock()
        self._trouble = background.Trouble("send")

    def send(self, queue_url: str, wire: dict[str, Any], anew: Callable[[], str] | None = None) -> None:
        """Send one message, or hand it to the `bulk` block that the caller itself is in.

        Args:
            queue_url: where to.
            wire: SendMessageBatch's entry without its Id.
            anew: where the queue was deleted meanwhile: makes it anew, and returns its address.

        Raises:
            Refused: SQS will not take it: too large, no such queue, no right to send.
            Unavailable: SQS did not take it in time; it may be sent again.
        """
        entry = _Entry(wire, _size(wire), anew)
        if entry.size > CALL_BYTES:
            raise Refused(f"a message of {entry.size:,} bytes is more than the {CALL_BYTES:,} that SQS takes")
        bulk = _bulk.get()
        if bulk is not None and bulk.open_here():
            bulk.add(self, queue_url, entry)
            return
        with self._lane(queue_url) as lane:
            lane.waiting.append(entry)
            while not entry.settled:
                if lane.open:
                    self._call_for_all(queue_url, lane)
                else:
                    lane.wait(entry)
        if entry.error is not None:
            raise entry.error

    def send_batch(self, queue_url: str, entries: list[_Entry]) -> None:
        """Send up to ten entries, each then settled with its error or none."""
        deadline = time.monotonic() + self._timeout_s
        remaining, anew = entries, entries[0].anew
        while remaining:
            try:
                remaining = self._call(queue_url, remaining)
                if not remaining:
                    self._trouble.over()
                    return
                error: Exception = Unavailable("SQS did not accept the message")
            except Unavailable as err:
                error = err
            except QueueMissing as err:
                queue_url, anew = _made_anew(anew, remaining, err), None
                if not queue_url:
                    return
                continue
            except Denied as err:
                _settle(remaining, err)
                return
            except Exception as err:  # something in it, which may be one message's alone
                self._one_by_one(queue_url, remaining, err)
                return
            pause_s = self._trouble.failed(error)
            if time.monotonic() + pause_s > deadline:
                _settle(remaining, error)
                return
            time.sleep(pause_s)

    def _one_by_one(self, queue_url: str, entries: list[_Entry], error: Exception) -> None:
        """Send each by itself, since a call of all of them failed with ``error``: one costs none of the others."""
        if len(entries) > 1:
            for entry in entries:
                self.send_batch(queue_url, [entry])
            return
        if not isinstance(error, Refused):
            metrics.count("send_errors")
            logger.error("send_error queue=%s", queue_url, exc_info=error)
        _settle(entries, error)

    def _call_for_all(self, queue_url: str, lane: _Lane) -> None:
        """Send what waits, with the lane's lock released meanwhile."""
        batch = _take(lane.waiting)
        lane.calls += 1
        lane.lock.release()
        try:
            self.send_batch(queue_url, batch)
        finally:  # an interrupt of this thread is no reason for the others to wait for ever
            _settle([entry for entry in batch if not entry.settled], Unavailable("the call was interrupted"))
            lane.lock.acquire()
            lane.called(batch)

    def _call(self, queue_url: str, entries: list[_Entry]) -> list[_Entry]:
        """Make one call; return the entries that SQS did not take through no fault of theirs."""
        wires = [{**entry.wire, "Id": str(n)} for n, entry in enumerate(entries)]
        answer = self._api.sqs("send_message_batch", QueueUrl=queue_url, Entries=wires)
        open_ = dict(enumerate(entries))
        for done in answer.get("Successful") or []:
            metrics.count("sent")
            _settle([open_.pop(int(done["Id"]))], None)
        for failed in answer.get("Failed") or []:
            if failed.get("SenderFault"):
                text = f"SQS refused the message: {failed.get('Code')}: {failed.get('Message')}"
                _settle([open_.pop(int(failed["Id"]))], Refused(text))
        metrics.count("partial_failures", len(open_))
        return list(open_.values())

    @contextmanager
    def _lane(self, queue_url: str) -> Iterator[_Lane]:
        """Hold the lane of a queue; it goes with the last who has to do with it."""
        with self._lock:
            lane = self._lanes.setdefault(queue_url, _Lane())
            lane.users += 1
        try:
            with lane.lock:
                yield lane
        finally:
            with self._lock:
                lane.users -= 1
                if not lane.users:
                    del self._lanes[queue_url]


class _Bulk:
    """The messages of one `bulk` block, which belongs to the thread and the asyncio task that opened it.

    What inherits the block's context (a task made inside, a thread by ``asyncio.to_thread``) may outlive it and would
    hold a result of a message that nobody sent; it sends by itself.
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(BULK_THREADS, thread_name_prefix="sqs-bulk")
        self._waiting: dict[tuple[Sender, str], deque[_Entry]] = {}
        self._sent: list[Future[None]] = []
        self._last: dict[str, tuple[Future[None], list[_Entry]]] = {}
        self._entries: list[_Entry] = []
        self._opened = _here()
        self._open = True

    def open_here(self) -> bool:
        """Return whether the caller is in the block itself, and not in what has inherited its context."""
        return self._open and self._opened == _here()

    def add(self, sender: Sender, queue_url: str, entry: _Entry) -> None:
        waiting = self._waiting.setdefault((sender, queue_url), deque())
        waiting.append(entry)
        self._entries.append(entry)
        if len(waiting) >= BATCH or sum(e.size for e in waiting) > CALL_BYTES:
            self._send(sender, queue_url, _take(waiting))

    def finish(self) -> None:
        self._open = False
        for (sender, queue_url), waiting in self._waiting.items():
            while waiting:
                self._send(sender, queue_url, _take(waiting))
        self._pool.shutdown(wait=True)
        for sent in self._sent:
            sent.result()
        errors = [entry.error for entry in self._entries if entry.error is not None]
        if errors:
            kind = Refused if isinstance(errors[0], Refused) else Unavailable
            raise kind(f"{len(errors)} of {len(self._entries)} messages were not accepted: {errors[0]}") from errors[0]

    def _send(self, sender: Sender, queue_url: str, entries: list[_Entry]) -> None:
        """Send a batch beside others; to a FIFO queue, once the one before it was accepted."""
        before = self._last.get(queue_url)
        sent = self._pool.submit(_send_after, before, sender, queue_url, entries)
        self._sent.append(sent)
        if queue_url.endswith(".fifo"):
            self._last[queue_url] = sent, entries


def _send_after(
    before: tuple[Future[None], list[_Entry]] | None, sender: Sender, queue_url: str, entries: list[_Entry]
) -> None:
    if before is not None:
        wait([before[0]])
        failed = next((entry.error for entry in before[1] if entry.error is not None), None)
        if failed is not None:  # what comes behind it would come first
            _settle(entries, failed)
            return
    sender.send_batch(queue_url, entries)


def _here() -> tuple[int, object]:
    """Return the thread and, in one that runs asyncio's loop, the task."""
    asyncio = sys.modules.get("asyncio")
    try:
        return threading.get_ident(), asyncio.current_task() if asyncio is not None else None
    except RuntimeError:  # no loop runs here
        return threading.get_ident(), None


@contextmanager
def bulk() -> Iterator[None]:
    """Send all that this block submits in batches of ten, in parallel; return once SQS has accepted every message.

    ::

        with bulk():
            for key in keys:
                classify.delay(key)

    Batches of a FIFO queue follow each other. Other threads and asyncio tasks that the block starts send by themselves.

    Raises:
        Refused, Unavailable: some were not accepted; the message says how many.
    """
    outer = _bulk.get()
    if outer is not None and outer.open_here():  # an inner block is part of the outer one
        yield
        return
    collected = _Bulk()
    token = _bulk.set(collected)
    try:
        yield
    finally:
        # A generator may be left in another context than it was entered in; there is nothing to reset there.
        with suppress(ValueError):
            _bulk.reset(token)
        collected.finish()


def _made_anew(anew: Callable[[], str] | None, entries: list[_Entry], missing: QueueMissing) -> str:
    """Return the address of a queue that was deleted, once it is there again; else settle the entries."""
    try:
        if anew is not None:
            return anew()
        _settle(entries, missing)
    except Exception as err:
        _settle(entries, err)
    return ""


def _take(waiting: deque[_Entry]) -> list[_Entry]:
    """Take what fits into one call: ten entries, 1 MiB."""
    taken: list[_Entry] = []
    size = 0
    while waiting and len(taken) < BATCH and size + waiting[0].size <= CALL_BYTES:
        taken.append(waiting.popleft())
        size += taken[-1].size
    return taken


def _settle(entries: list[_Entry], error: Exception | None) -> None:
    for entry in entries:
        entry.error = error
        entry.settled = True


def _size(wire: dict[str, Any]) -> int:
    attributes = wire.get("MessageAttributes") or {}
    return len(wire["MessageBody"].encode()) + sum(
        len(str(name)) + len(str(value)) for name, value in attributes.items()
    )
