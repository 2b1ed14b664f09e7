"""What another process wrote, read with doubt: it may be cut short, of another version, or no JSON at all."""

from __future__ import annotations

import json
from typing import Any


def parse(text: str | bytes) -> dict[str, Any]:
    """Return the one JSON object that ``text`` is.

    Raises:
        ValueError: it is anything else; binary, cut short, another value, or nested too deep.
    """
    try:
        found = json.loads(text)
    except RecursionError as err:
        raise ValueError("it is nested too deep") from err
    if not isinstance(found, dict):
        raise ValueError(f"it is a {type(found).__name__}, not an object")
    return found
