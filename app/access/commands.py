"""`elastiq keys` and `elastiq password` at a terminal."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime

import click

from app.access.scopes import SCOPES
from app.errors import ConfigurationError
from app.settings import settings


@click.group()
def keys() -> None:
    """Make, list and revoke the API keys by which programs and people call the web tier (ELASTIQ_AUTH=keys)."""


@keys.command()
@click.argument("name")
@click.option(
    "--scopes", "may", default="submit,read", show_default=True, help=f"What it may do, of {', '.join(SCOPES)}."
)
@click.option("--expires", type=click.DateTime(), help="When it ends, UTC.  [default: never]")
def make(name: str, may: str, expires: datetime | None) -> None:
    """Make a key for NAME and print it, this once: only its digest is kept.

    What is made by keys of one NAME belongs to that name, so a second key can take the first one's place.
    """
    from app.access.keys import KeyStore, make
    from app.access.scopes import scopes

    now = datetime.now(UTC)
    until = expires.replace(tzinfo=UTC) if expires else None
    if until and until <= now:
        raise ConfigurationError(f"--expires {until:%Y-%m-%d %H:%M} has been already")
    try:
        text, key = make(name, scopes(may.split(",")), now, until)
    except ValueError as err:
        raise ConfigurationError(f"--scopes {may}: {err}") from err
    KeyStore(settings()).add(key)
    click.echo(f"key {key.id} for {key.name}: keep it, it is shown this once", err=True)
    click.echo(text)


@keys.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
def list_keys(as_json: bool) -> None:
    """Print each key: its id, whose it is, what it may do, since when and until when."""
    from app.access.keys import KeyStore

    for key in KeyStore(settings()).all():
        times = {name: at and at.isoformat(timespec="seconds") for name, at in _times(key).items()}
        said = {"id": key.id, "name": key.name, "scopes": sorted(key.scopes), **times}
        ends = f"  revoked {times['revoked_at']}" if key.revoked_at else f"  until {times['expires_at'] or 'revoked'}"
        text = f"{key.id}  {key.name}  {','.join(sorted(key.scopes))}  since {times['made_at']}{ends}"
        click.echo(json.dumps(said) if as_json else text)


@keys.command()
@click.argument("ids", nargs=-1, required=True)
def revoke(ids: tuple[str, ...]) -> None:
    """Revoke the keys of these IDS; every web process refuses them within half a minute."""
    from app.access.keys import KeyStore

    store, missing = KeyStore(settings()), False
    for id in ids:
        key = store.revoke(id, datetime.now(UTC))
        missing = missing or key is None
        click.echo(f"{id} of {key.name} is revoked" if key else f"there is no key {id!r}", err=key is None)
    sys.exit(1 if missing else 0)


@click.command()
@click.argument("name")
def password(name: str) -> None:
    """Ask for NAME's password and print the line for the file of ELASTIQ_AUTH_USERS."""
    from app.access.users import line

    click.echo(line(name, click.prompt("password", hide_input=True, confirmation_prompt=True, err=True)))


def _times(key: object) -> dict[str, datetime | None]:
    return {name: getattr(key, name) for name in ("made_at", "expires_at", "revoked_at")}
