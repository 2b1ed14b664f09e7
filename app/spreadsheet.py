"""Lines of CSV (RFC 4180) that are safe to open in a spreadsheet. Pure."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable

# Excel takes a file for UTF-8 by this alone.
BYTE_ORDER_MARK = "\ufeff"
# A spreadsheet takes a cell that begins like this for a formula, or for a command; blanks before it, and forms of full
# width, do not keep it from that. Where commas are for decimals, a `;` or a tab begins a cell, and so does a line.
_FORMULA = re.compile(r"(^|[;\t\r\n])(?=\s*[=+\-@\uff1d\uff0b\uff0d\uff20])|^(?=[\t\r\n])")


def line(cells: Iterable[str]) -> str:
    """Return a line with these cells, each in quotes; what would be taken for a formula has a ``'`` before it."""
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL).writerow([_FORMULA.sub(r"\g<0>'", cell) for cell in cells])
    return text.getvalue()
