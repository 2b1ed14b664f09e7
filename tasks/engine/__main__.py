"""`python -m tasks.engine build [NAME]`: build a model's artifact; the configured model's unless one is named."""

from __future__ import annotations

import logging
import sys

import click

from app.errors import ElastiqError
from app.settings import settings
from tasks.engine.build import build


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Build models for the workers."""


@main.command("build")
@click.argument("name", required=False)
def build_command(name: str | None) -> None:
    """Build the model NAME into ELASTIQ_MODEL_DIR, or do nothing if it is there and current."""
    # OpenVINO's front end warns of operations that only its other users have.
    logging.getLogger().setLevel(logging.ERROR)
    try:
        build(name or settings().engine.model, settings(), say=lambda line: click.echo(line, err=True))
    except ElastiqError as err:
        click.echo(f"elastiq: {err}", err=True)
        sys.exit(2)


if __name__ == "__main__":
    main(prog_name="python -m tasks.engine")
