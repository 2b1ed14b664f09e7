"""The account's commands at a terminal: `elastiq provision`, `status` and `dead-letters`."""

from __future__ import annotations

import json
import sys
import time
from datetime import UTC, datetime
from itertools import count

import click

from app.settings import settings


@click.command()
def provision() -> None:
    """Make buckets, queues and topic in the account that the environment names, or set right those that are there."""
    from app.account.provision import provision

    for line in provision(settings()):
        click.echo(line)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
@click.option("--watch", is_flag=True, help="Look again and again, until Ctrl-C; at a terminal, in one place.")
@click.option(
    "--every", default=2.0, show_default=True, type=click.FloatRange(0.1), help="Seconds between, for --watch."
)
def status(as_json: bool, watch: bool, every: float) -> None:
    """Tell whether the buckets answer, what waits in the queues, and what holds the autoscaler's launches back.

    Exit status: 0 when all is well, 1 when something is missing, out of reach, held back, or among the dead letters.
    """
    from app.account.status import look

    for turn in count():
        if turn:
            time.sleep(every)
        findings, at = look(settings()), datetime.now(UTC).isoformat(timespec="seconds")
        if watch and not as_json:
            click.clear()
            click.echo(at)
        for finding in findings:
            line = f"{'ok  ' if finding.well else 'FAIL'}  {finding.what}: {finding.said}"
            click.echo(json.dumps({"at": at, **finding.to_json()}) if as_json else line)
        if not watch:
            sys.exit(0 if all(finding.well for finding in findings) else 1)


@click.group("dead-letters")
def dead_letters() -> None:
    """Look at, or send back to work, the messages that five attempts could not finish."""


@dead_letters.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
def list_dead_letters(as_json: bool) -> None:
    """Print each dead letter: when it was sent, its task, its image. They stay where they are."""
    from app.account.dead_letters import DeadLetters

    for letter in DeadLetters(settings()).look():
        fields = {
            "sent_at": letter.sent_at.isoformat(),
            "task": letter.task,
            "key": letter.key,
            "id": letter.message_id,
        }
        click.echo(
            json.dumps(fields) if as_json else f"{fields['sent_at']}  {letter.task}  {letter.key or letter.body}"
        )


@dead_letters.command()
@click.argument("keys", nargs=-1)
def redrive(keys: tuple[str, ...]) -> None:
    """Send dead letters back to the task queue: those of the images KEYS, or all."""
    from app.account.dead_letters import DeadLetters
    from app.storage import Storage

    sent = DeadLetters(settings()).redrive(Storage(settings()), lambda letter: not keys or letter.key in keys)
    click.echo(f"{len(sent)} sent back to {settings().queue.bulk or settings().queue.name}")
    missing = set(keys) - set(sent)
    if missing:
        click.echo(f"not among the dead letters: {', '.join(sorted(missing))}", err=True)
        sys.exit(1)
