"""What a web tier answers, read: one JSON object, lines of text, or an error that may pass or will not."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

import urllib3

from app.client.form import READ_BYTES
from app.client.patience import Busy
from app.errors import ConfigurationError, TransientError


def lines_in(answer: urllib3.BaseHTTPResponse) -> Iterator[str]:
    """Yield an answer's lines as they come, without their ends."""
    rest = b""
    for data in answer.stream(READ_BYTES):
        *whole, rest = (rest + data).split(b"\n")
        for line in whole:
            yield line.decode()


def object_in(answer: urllib3.BaseHTTPResponse, expected: Collection[int]) -> dict[str, Any]:
    """Return the JSON, an object, of an answer with one of the ``expected`` statuses.

    Raises:
        TransientError: the answer is an error that may pass; `Busy` where it says when.
        ConfigurationError: it is one that will not, or no answer of a web tier.
    """
    if answer.status in expected:
        try:
            found = answer.json()
        except ValueError:
            found = None
        if isinstance(found, dict):
            return found
        raise ConfigurationError("the answer is no JSON object; is this the address of a web tier?")
    try:
        detail = str(answer.json()["detail"])
    except (ValueError, LookupError, TypeError):
        detail = f"status {answer.status}"
    if answer.status < 500 and answer.status not in {408, 429}:
        raise ConfigurationError(detail)
    after = answer.headers.get("Retry-After", "")
    raise Busy(detail, float(after)) if after.isascii() and after.isdigit() else TransientError(detail)
