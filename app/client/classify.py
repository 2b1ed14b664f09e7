"""`elastiq classify`: hands files to a running web tier and prints what is in them as it becomes known."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from app.client.album import Album
from app.client.elastiq import Elastiq
from app.client.files import kinds
from app.client.patience import PATIENCE_S, Lost
from app.client.report import Report
from app.client.run import Run
from app.client.tables import Lines, Table, Writer
from app.errors import ElastiqError

DONE, SOME_FAILED, UNDONE, LOST, INTERRUPTED = 0, 1, 2, 3, 130


@dataclass(frozen=True, slots=True)
class Wishes:
    """What results are written to beside standard output; None for none.

    Attributes:
        csv: a table.
        jsonl: a JSON object for each file, a line each.
        report: a page of the labels with a small picture of each file, to be opened in a browser.
    """

    csv: Path | None = None
    jsonl: Path | None = None
    report: Path | None = None


_NONE = Wishes()


def classify(
    paths: Iterable[str | Path],
    url: str,
    *,
    as_json: bool,
    patience_s: float = PATIENCE_S,
    key: str | None = None,
    resume: str = "",
    direct: bool = False,
    wishes: Wishes = _NONE,
) -> int:
    """Classify files, and the images in folders, through the web tier at ``url``.

    ``(path, label)`` lines, or JSON objects, go to standard output as results come; failures and progress to
    standard error.

    Args:
        paths: files, folders and pipes; ``-`` is standard input.
        url: the web tier's address.
        as_json: whether to print JSON.
        patience_s: seconds for which to try again while the web tier does not answer.
        key: an API key, where the web tier asks for one.
        resume: the id or the address of a batch that some of them were uploaded to before.
        direct: whether files go straight to the bucket, as long as that works.
        wishes: what results are written to as well.

    Returns:
        The exit status: 0 when every image got a label, 1 when one failed or a file was left out, 2 when nothing could
        be done, 3 when the web tier was lost, 130 when it was interrupted.
    """
    notes: list[Report] = []
    try:
        elastiq = Elastiq(url, key, patience_s=patience_s, say=lambda text: notes[0].note(text))
        run = elastiq.classify(paths, resume=resume, direct=direct)
        with Report(run.total, as_json, sys.stdout) as report:
            notes.append(report)
            return _run(run, report, wishes)
    except ElastiqError as err:
        Report(0, as_json, sys.stdout).note(f"elastiq: {err}")
        return UNDONE


def _run(run: Run, report: Report, wishes: Wishes) -> int:
    """Print and write what comes; return the exit status."""
    if run.skipped:
        count = run.skipped.total()
        report.note(
            f"left out, not being named like images: {count} file{'s' * (count > 1)} ({kinds(run.skipped)}); "
            "name a file itself to have it sent"
        )
    sent = run.left
    ended = _follow(run, report, wishes)
    if not sent:
        report.note("no image found; name files, or a folder that holds some")
        return UNDONE
    if ended and run.page:
        report.note(f"{run.left} of {sent} have no outcome yet; what was uploaded goes on: {run.page}")
        report.note(f"to send the rest, give the same files again with --resume {run.batch}")
    return ended or (SOME_FAILED if report.failed or run.skipped else DONE)


def _follow(run: Run, report: Report, wishes: Wishes) -> int:
    """Return the exit status that an error has; 0 without one. What came before it is written all the same."""
    try:
        with ExitStack() as stack:
            writers = [stack.enter_context(writer) for writer in _writers(wishes)]
            for result in run:
                report.show(result)
                for writer in writers:
                    writer.add(result)
            return DONE
    except KeyboardInterrupt:
        report.note("interrupted")
        return INTERRUPTED
    except ElastiqError as err:
        report.note(f"elastiq: {err}")
        return LOST if isinstance(err, Lost) else UNDONE
    except OSError as err:
        if not err.filename:
            raise  # of standard output: who reads no further is told to click
        report.note(f"elastiq: {err.filename}: {err.strerror}")
        return UNDONE
    finally:
        run.close()


def _writers(wishes: Wishes) -> Iterable[Writer]:
    if wishes.csv:
        yield Table(wishes.csv)
    if wishes.jsonl:
        yield Lines(wishes.jsonl)
    if wishes.report:
        yield Album(wishes.report)
