"""Reading a trace: a CSV file with a header and rows of ``second,requests``.

A row's requests come at random up to the next row's second; the same seed makes the same arrivals. Seconds may count
from anything, 1970 too: arrivals are told in seconds from the first that counts.
"""

from __future__ import annotations

import csv
import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from app.errors import ConfigurationError

# What separates columns, and what a number's point may be beside it, in files as spreadsheets write them.
_SEPARATORS = {",": ".", ";": ",", "\t": ","}
_DAY_S = 24 * 3600
# A trace that is longer is one in milliseconds; a run of more images takes an hour.
MOST_DAYS, MOST_IMAGES = 400, 20_000_000


@dataclass(frozen=True, slots=True)
class Row:
    """So many requests from one second up to another."""

    second: float
    until: float
    requests: float


def read_trace(
    path: Path, scale: float = 1.0, start_s: float | None = None, seconds: float = math.inf, seed: int = 0
) -> list[float]:
    """Return when each image of a trace arrives, ascending, in seconds from ``start_s``.

    Args:
        path: the CSV file.
        scale: multiplies the requests; what is left of a fraction counts in the next row.
        start_s: the first second that counts, as the file has it; None, or earlier than the first row: that row's.
        seconds: how many count.
        seed: of the arrivals within a row.

    Raises:
        ConfigurationError: the file is no trace, has nothing at these seconds, or makes too many images.
    """
    rows = read_rows(path)
    start_s = max(rows[0].second, start_s if start_s is not None else -math.inf)
    if start_s >= rows[-1].until:
        raise ConfigurationError(
            f"{path}: it ends at second {rows[-1].until:.12g}, before the first that is asked for, {start_s:.12g}"
        )
    counted = [row for row in rows if row.until > start_s and row.second < start_s + seconds]
    images = sum(row.requests for row in counted) * scale
    if images > MOST_IMAGES:
        raise ConfigurationError(
            f"{path}: {images:.3g} images are more than {MOST_IMAGES:,}; lower --scale or --seconds"
        )
    arrivals = [at_s - start_s for at_s in _arrivals(counted, scale, seed) if start_s <= at_s < start_s + seconds]
    if not arrivals:
        raise ConfigurationError(
            f"{path}: no request in the {min(seconds, rows[-1].until - start_s):.12g} s from second {start_s:.12g} on"
        )
    return arrivals


def read_rows(path: Path) -> list[Row]:
    """Return a trace's rows; the last one is as long as the one before it.

    Raises:
        ConfigurationError: the file is no trace.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as err:
        raise ConfigurationError(f"{path}: {err.strerror}") from err
    except UnicodeDecodeError as err:
        raise ConfigurationError(f"{path}: not a text in UTF-8; save it as CSV in UTF-8") from err
    lines = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    if not lines:
        raise ConfigurationError(f"{path}: it is empty; its first line must be `second,requests`")
    separator = _separator(path, lines[0][1])
    found = [_numbers(path, number, line, separator) for number, line in lines[1:]]
    if len(found) < 2:
        raise ConfigurationError(f"{path}: it must have two rows or more under its first line")
    for ((before, _), (after, _)), (number, _) in zip(pairwise(found), lines[2:], strict=True):
        if before >= after:
            raise ConfigurationError(
                f"{path}: line {number}: its seconds must ascend, and {after:.12g} follows {before:.12g}"
            )
    if found[-1][0] - found[0][0] > MOST_DAYS * _DAY_S:
        days = (found[-1][0] - found[0][0]) / _DAY_S
        raise ConfigurationError(f"{path}: its seconds span {days:,.0f} days, more than {MOST_DAYS}: are they seconds?")
    ends = [second for second, _ in found[1:]] + [2 * found[-1][0] - found[-2][0]]
    return [Row(second, until, requests) for (second, requests), until in zip(found, ends, strict=True)]


def _separator(path: Path, header: str) -> str:
    for separator in _SEPARATORS:
        if [name.strip().strip('"').lower() for name in header.split(separator)] == ["second", "requests"]:
            return separator
    raise ConfigurationError(f"{path}: its first line must be `second,requests`, and is {header[:60]!r}")


def _numbers(path: Path, number: int, line: str, separator: str) -> tuple[float, float]:
    cells = next(csv.reader([line], delimiter=separator))
    try:
        second, requests = (float(cell.strip().replace(_SEPARATORS[separator], ".")) for cell in cells)
    except ValueError as err:
        raise ConfigurationError(
            f"{path}: line {number}: `second{separator}requests`, two numbers, is expected, and found {line[:60]!r}"
        ) from err
    if not math.isfinite(second) or not math.isfinite(requests) or requests < 0:
        raise ConfigurationError(
            f"{path}: line {number}: requests must be 0 or more, seconds any number: {line[:60]!r}"
        )
    return second, requests


def _arrivals(rows: list[Row], scale: float, seed: int) -> Iterator[float]:
    due = 0.0
    for row in rows:
        due += row.requests * scale
        count, due = int(due), due - int(due)
        # Each row has chance of its own, so that its arrivals are the same wherever a run begins.
        chance = random.Random(f"{seed} {row.second}")
        yield from sorted(row.second + (row.until - row.second) * chance.random() for _ in range(count))
