"""Ships the journal of a host to CloudWatch Logs, and says at once and every minute which of its processes live.

``python -m app.host.ship --group NAME --stream NAME [--cursor FILE] [PROCESS=TARGET ...]``; a target is what
`app.process.healthy` looks at. What waits is bounded: when CloudWatch is long out of reach, the oldest lines go.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import structlog
from botocore.exceptions import ClientError

from app import aws
from app.errors import ElastiqError
from app.process import logs
from app.process.healthy import why_not
from app.process.signals import StopSignals
from app.settings import settings

log = structlog.get_logger(__name__)

EVERY_S, ALIVE_S, LAST_S = 2.0, 60.0, 10.0
LONGEST_PAUSE_S = 60.0
MOST_WAITING = 20_000
# Source: CloudWatch Logs API reference, PutLogEvents: a batch has 1 MiB, 26 bytes more for each event, 10,000 events,
# a day between the first and the last, in order of time.
BATCH_BYTES, EVENT_BYTES, BATCH_EVENTS = 1_000_000, 26, 10_000
LINE_BYTES = 200_000
# What systemd itself says of our units, and what the host's set-up says.
UNITS = ("elastiq-*", "cloud-init*", "cloud-final*")
JOURNAL = ("journalctl", "--follow", "--boot", "--output=json", "--no-pager", "--lines=all")


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the journal; ``at_ms`` since the epoch, ``cursor`` its place in the journal."""

    at_ms: int
    text: str
    cursor: str = ""

    @property
    def size(self) -> int:
        """Return the bytes that it counts for."""
        return len(self.text.encode()) + EVENT_BYTES


def read_line(raw: str) -> Line | None:
    """Read one line of ``journalctl --output=json``; None where it is none, or says nothing."""
    try:
        entry = json.loads(raw)
        at_ms = int(entry["__REALTIME_TIMESTAMP"]) // 1000
        said = entry.get("MESSAGE")
    except (ValueError, LookupError, TypeError, AttributeError):
        return None
    # What is no text comes as a list of bytes.
    text = bytes(said).decode(errors="replace") if isinstance(said, list) else str(said or "")
    if not text.strip():
        return None
    if not text.startswith("{"):
        text = f"{entry.get('_SYSTEMD_UNIT', entry.get('SYSLOG_IDENTIFIER', ''))}: {text}"
    short = text.encode()[:LINE_BYTES].decode(errors="ignore")
    return Line(at_ms, short, str(entry.get("__CURSOR", "")))


class Waiting:
    """Lines that are not shipped yet, the newest `MOST_WAITING` of them. Safe to share between threads."""

    def __init__(self, most: int = MOST_WAITING) -> None:
        self._lines: deque[Line] = deque()
        self._most, self._dropped, self._lock = most, 0, threading.Lock()

    def add(self, line: Line) -> None:
        """Take one more; the oldest goes when there are too many."""
        with self._lock:
            self._lines.append(line)
            if len(self._lines) > self._most:
                self._lines.popleft()
                self._dropped += 1

    def batch(self) -> list[Line]:
        """Take out the oldest lines, as many as one call takes; first how many were dropped, if any."""
        with self._lock:
            taken: list[Line] = []
            if self._dropped and self._lines:
                told = {"event": "log_lines_dropped", "lines": self._dropped}
                taken.append(Line(self._lines[0].at_ms, json.dumps(told)))
                self._dropped = 0
            size = 0
            while self._lines and len(taken) < BATCH_EVENTS and size + self._lines[0].size <= BATCH_BYTES:
                size += self._lines[0].size
                taken.append(self._lines.popleft())
            return taken

    def give_back(self, lines: Sequence[Line]) -> None:
        """Put lines back that could not be shipped."""
        with self._lock:
            room = max(0, self._most - len(self._lines))
            kept = list(lines)[-room:] if room else []
            self._dropped += len(lines) - len(kept)
            self._lines.extendleft(reversed(kept))


class Shipper:
    """Ships lines to one stream of a group, which must exist; the stream is made.

    Args:
        client: boto3's, of CloudWatch Logs.
        group: the log group's name.
        stream: the stream's.
        waiting: whence the lines come.
        shipped: is called with the cursor of the last line of each batch that arrived.
    """

    def __init__(
        self, client: aws.Client, group: str, stream: str, waiting: Waiting, shipped: Callable[[str], object]
    ) -> None:
        self._client, self._waiting, self._shipped = client, waiting, shipped
        self._where = {"logGroupName": group, "logStreamName": stream}
        self._made = False

    def step(self) -> None:
        """Ship all that waits.

        Raises:
            ConfigurationError, TransientError: it did not work; the lines wait on.
        """
        while batch := self._waiting.batch():
            try:
                with aws.translated("shipping the log"):
                    self._put(sorted(batch, key=lambda line: line.at_ms))
            except ElastiqError:
                self._waiting.give_back(batch)
                raise
            cursor = next((line.cursor for line in reversed(batch) if line.cursor), "")
            if cursor:
                self._shipped(cursor)

    def _put(self, lines: list[Line]) -> None:
        if not self._made:
            try:
                self._client.create_log_stream(**self._where)
            except ClientError as err:
                if aws.error_code(err) != "ResourceAlreadyExistsException":
                    raise
            self._made = True
        events = [{"timestamp": line.at_ms, "message": line.text} for line in lines]
        answer = self._client.put_log_events(**self._where, logEvents=events)
        if answer.get("rejectedLogEventsInfo"):
            log.warning("log_lines_rejected", **answer["rejectedLogEventsInfo"])


class Pulse:
    """Tells of each process whether it lives: every `ALIVE_S`, and as soon as one does that did not.

    Args:
        targets: what to look at, by process.
        clock: seconds that only grow.
    """

    def __init__(self, targets: dict[str, str], clock: Callable[[], float] = time.monotonic) -> None:
        self._targets, self._clock = targets, clock
        self._told_at: dict[str, float] = {}
        self._lives: dict[str, bool] = {}

    def look(self) -> Iterator[str]:
        """Yield a line for each process of which there is something to tell, with the reason where it does not live."""
        for process, target in self._targets.items():
            due = process not in self._told_at or self._clock() - self._told_at[process] >= ALIVE_S
            if not due and self._lives[process]:
                continue
            reason = why_not(target)
            self._lives[process] = not reason
            if due or not reason:
                self._told_at[process] = self._clock()
                yield json.dumps({"event": "not_alive" if reason else "alive", "process": process, "reason": reason})


def ship(command: Sequence[str], shipper: Shipper, waiting: Waiting, targets: dict[str, str]) -> int:
    """Ship what ``command`` prints until SIGTERM or SIGINT, and what then is left.

    Returns:
        The exit status: 0 when it was asked to stop, 1 when the journal ended by itself.
    """
    stop = StopSignals(signal.SIGTERM, signal.SIGINT)
    journal = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, errors="replace", start_new_session=True)
    threading.Thread(target=_read, args=(journal, waiting), name="journal", daemon=True).start()
    pulse, pause_s, failing = Pulse(targets), EVERY_S, False
    while not (stopped := stop.wait(pause_s)) and journal.poll() is None:
        for text in pulse.look():
            waiting.add(Line(time.time_ns() // 1_000_000, text))
        try:
            shipper.step()
            pause_s, failing = EVERY_S, False
        except ElastiqError as err:
            if not failing:  # once a series: what it says would have to be shipped too
                log.warning("shipping_failed", reason=str(err))
            pause_s, failing = min(LONGEST_PAUSE_S, 2 * pause_s), True
    journal.terminate()
    journal.wait()
    _ship_the_rest(shipper)
    return 0 if stopped else 1


def _read(journal: subprocess.Popen[str], waiting: Waiting) -> None:
    assert journal.stdout is not None
    for raw in journal.stdout:
        line = read_line(raw)
        if line:
            waiting.add(line)


def _ship_the_rest(shipper: Shipper) -> None:
    deadline = time.monotonic() + LAST_S
    while time.monotonic() < deadline:
        try:
            time.sleep(0.2)  # what the journal has said last is read meanwhile
            return shipper.step()
        except ElastiqError as err:
            log.warning("shipping_failed", reason=str(err))
            time.sleep(1)
    return None


@click.command()
@click.option("--group", required=True, help="The log group.")
@click.option("--stream", required=True, help="The stream in it; made if missing.")
@click.option("--cursor", type=click.Path(path_type=Path), help="A file that keeps how far the journal is shipped.")
@click.option("--journal", default="", help="A command that prints the journal, in place of journalctl.")
@click.argument("targets", nargs=-1)
def main(group: str, stream: str, cursor: Path | None, journal: str, targets: tuple[str, ...]) -> None:
    """Ship the journal; TARGETS are processes to look at, such as web=http://127.0.0.1:8000/healthz."""
    logs.configure(settings().process.log_format)
    units = [f"--unit={unit}" for unit in UNITS]
    after = [f"--after-cursor={cursor.read_text()}"] if cursor and cursor.is_file() else []
    command = journal.split() or [*JOURNAL, *units, *after]
    waiting = Waiting()
    client = aws.client("logs", settings().aws, read_timeout_s=10, attempts=2, connections=1)
    shipper = Shipper(client, group, stream, waiting, lambda at: cursor.write_text(at) if cursor else None)
    looked_at = dict(target.split("=", 1) for target in targets)
    sys.exit(ship(command, shipper, waiting, looked_at))


if __name__ == "__main__":
    main()
