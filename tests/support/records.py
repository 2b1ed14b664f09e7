"""Reads logs of one JSON object a line while their writers go on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def whole_lines(log: Path) -> list[str]:
    """Return the lines that have come to their end; what follows the last newline may still be half written."""
    return log.read_text(errors="replace").split("\n")[:-1]


def records(log: Path, event: str | None = None) -> list[dict[str, Any]]:
    """Return the log's records, those of one event if it is named; lines that are no object are left out."""
    found = [json.loads(line) for line in whole_lines(log) if line.startswith("{")]
    return [record for record in found if event is None or record["event"] == event]
