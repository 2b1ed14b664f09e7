"""`elastiq batch` at a terminal: list, show, cancel, retry and delete batches of a web tier, and get their results.

And the options by which every such command finds that web tier.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import click

from app.settings import settings

if TYPE_CHECKING:
    from app.client.batches import Batches

_Command = TypeVar("_Command", bound=Callable[..., None])

_ENDS = """\b
Exit status:
  0    it is done
  1    you did not agree
  2    it could not be done: usage, settings, no such batch, not yours
  3    the web tier does not answer, or was lost on the way
  130  interrupted
"""


@click.group(epilog=_ENDS)
def batch() -> None:
    """List, show, cancel, retry and delete batches of a running web tier, and get their results.

    BATCH is a batch's id or its page's address.
    """


def connected(patience_s: float) -> Callable[[_Command], _Command]:
    """Return what gives a command the options by which it finds the web tier: ``url``, ``key`` and ``patience_s``."""
    options = (
        click.option("--url", help="The web tier's address.  [default: the one of ELASTIQ_HOST and ELASTIQ_PORT]"),
        click.option(
            "--patience",
            "patience_s",
            default=patience_s,
            show_default=True,
            type=click.FloatRange(min=0),
            metavar="SECONDS",
            help="How long to try again when the web tier does not answer.",
        ),
        click.option("--key", envvar="ELASTIQ_KEY", help="An API key, where the web tier asks for one."),
    )

    def give(command: _Command) -> _Command:
        for option in reversed(options):
            command = option(command)
        return command

    return give


def address_of(url: str | None) -> str:
    """Return the web tier's address: the one that is given, or else that of the settings."""
    from app.process.address import http_address

    return url or http_address(settings().web.host, settings().web.port)


_connected = connected(patience_s=30.0)
_id = click.argument("batch")
_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@batch.command("list")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(min=1), help="How many at most.")
@_json
@_connected
def list_batches(limit: int, as_json: bool, **where: Any) -> None:
    """Print your batches, the newest first, one a line."""
    from app.client.batches import line

    with _batches(**where) as batches:
        for found in batches.newest(limit):
            _say(json.dumps(found) if as_json else line(found))


@batch.command()
@_id
@_json
@_connected
def show(batch: str, as_json: bool, **where: Any) -> None:
    """Print what is known of a batch: how many images are in which state, what they wait for, what was asked of it."""
    from app.client.batches import lines, named

    with _batches(**where) as batches:
        found = batches.read(named(batch))
        for said in [json.dumps(found)] if as_json else lines(found):
            _say(said)


@batch.command()
@_id
@_json
@_connected
def cancel(batch: str, as_json: bool, **where: Any) -> None:
    """Drop what waits of a batch, at once; what a worker has in hand may finish."""
    from app.client.batches import named

    with _batches(**where) as batches:
        done = batches.cancel(named(batch))
        _say(json.dumps(done) if as_json else f"cancelled {done['id']}")


@batch.command()
@_id
@click.option("--path", "paths", multiple=True, help="Only this image; any number of them.  [default: all that failed]")
@click.option("--cancelled", is_flag=True, help="Go on with a batch that was cancelled.")
@_json
@_connected
def retry(batch: str, paths: tuple[str, ...], cancelled: bool, as_json: bool, **where: Any) -> None:
    """Try again what failed of a batch, or what was dropped when it was cancelled."""
    from app.client.batches import named

    with _batches(**where) as batches:
        done = batches.retry(named(batch), paths, cancelled=cancelled)
        _say(json.dumps(done) if as_json else f"{done['images']:,} tried again of {done['id']}")


@batch.command()
@_id
@click.option("--yes", is_flag=True, help="Do not ask.")
@_json
@_connected
def delete(batch: str, yes: bool, as_json: bool, **where: Any) -> None:
    """Delete a batch with its images and its results, for everybody; images of a source stay where they are."""
    from app.client.batches import named

    id = named(batch)
    if not yes and not click.confirm(f"delete {id} with its images and results?", err=True):
        sys.exit(1)
    with _batches(**where) as batches:
        batches.delete(id)
        _say(json.dumps({"id": id, "deleted": True}) if as_json else f"deleted {id}")


@batch.command()
@_id
@click.option("--csv", "form", flag_value="csv", help="A table for spreadsheets.")
@click.option("--jsonl", "--json", "form", flag_value="jsonl", help="A JSON object a line.")
@_connected
def results(batch: str, form: str | None, **where: Any) -> None:
    """Print what became of a batch's images, as far as that is known: (path, label) lines unless told otherwise.

    Of a batch with a source there are results once it is complete.
    """
    from app.client.batches import named

    with _batches(**where) as batches:
        pieces = batches.results(named(batch), form or "jsonl")
        if form is None:
            _print_labels(pieces)
            return
        for piece in pieces:
            click.echo(piece, nl=False)


def _print_labels(pieces: Iterator[bytes]) -> None:
    """Print a line for each label, and to standard error one for each image that has none."""
    rest = b""
    for piece in pieces:
        *whole, rest = (rest + piece).split(b"\n")
        for image in map(json.loads, whole):
            if image["state"] == "done":
                _say(f"({image['path']}, {image['label']})")
            else:
                _say(f"{image['path']}: {image['reason'] or image['state']}", err=True)


def _say(text: str, *, err: bool = False) -> None:
    from app.client.report import plain

    click.echo(plain(text), err=err)


@contextmanager
def _batches(url: str | None, key: str | None, patience_s: float) -> Iterator[Batches]:
    """Connect to the web tier; end with status 3 when that is lost."""
    from app.client.batches import Batches
    from app.client.patience import Lost
    from app.client.remote import Remote

    try:
        yield Batches(Remote(address_of(url), patience_s, lambda text: _say(text, err=True), key))
    except Lost as err:
        _say(f"elastiq: {err}", err=True)
        sys.exit(3)
