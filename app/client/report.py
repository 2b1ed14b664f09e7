"""What `elastiq classify` prints: results to standard output, all else to standard error, a bar where one is seen."""

from __future__ import annotations

import io
import json
import sys
from typing import TextIO

import click

from app.client.result import Result


class Report:
    """Prints outcomes and notes, and counts the failures.

    Args:
        total: how many outcomes there will be.
        as_json: whether an outcome is a JSON object.
        output: where outcomes go.
    """

    def __init__(self, total: int, as_json: bool, output: TextIO) -> None:
        self._as_json, self._output = as_json, output
        if isinstance(output, io.TextIOWrapper):
            # A file's name may be no text; it is printed byte by byte as it is.
            output.reconfigure(errors="surrogateescape")
        self._bar = click.progressbar(length=total, label="Classifying", file=sys.stderr, show_pos=True)
        self._bar_shown = sys.stderr.isatty()
        self.failed = 0

    def __enter__(self) -> Report:
        if self._bar_shown:
            self._bar.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        if self._bar_shown:
            self._bar.render_finish()

    def show(self, result: Result) -> None:
        """Print what became of a file, with the path that it was given."""
        self._clear()
        if self._as_json:
            print(json.dumps(result.to_json()), file=self._output, flush=True)
        elif not result.failed:
            print(f"({result.path}, {result.label})", file=self._output, flush=True)
        if result.failed:
            self.failed += 1
            click.echo(plain(f"{result.path}: {result.reason}"), err=True)
        self._step()

    def note(self, text: str) -> None:
        """Print how things stand."""
        self._clear()
        click.echo(plain(text), err=True)
        self._step(0)

    def _clear(self) -> None:
        if self._bar_shown:
            # The line takes the bar's place; the bar is drawn again below it.
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()

    def _step(self, by: int = 1) -> None:
        if self._bar_shown:
            self._bar.update(by)


def plain(text: str) -> str:
    """Return what a server or a file's name says without what a terminal would act on."""
    return "".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in text)
