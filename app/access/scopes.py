"""What a caller may do, in three words: hand images in, read what became of them, see to the system itself. Pure."""

from __future__ import annotations

from collections.abc import Iterable

SUBMIT, READ, OPERATE = "submit", "read", "operate"
SCOPES = (SUBMIT, READ, OPERATE)


def scopes(names: Iterable[str]) -> frozenset[str]:
    """Return the scopes of these names.

    Raises:
        ValueError: one of them is none, or there is none at all.
    """
    found = frozenset(name.strip() for name in names)
    if not found or not found <= set(SCOPES):
        raise ValueError(f"scopes are {', '.join(SCOPES)}; give one or more of them")
    return found
