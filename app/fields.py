"""Reading the fields of an event, strictly: whoever may publish to the topic may have sent it. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from app.errors import MalformedAnnouncement

# Characters of what names something, such as a key, and of what tells something, such as a reason.
LONGEST_NAME, LONGEST_TEXT = 1024, 4096
# Entries of a list: more instances than one message has room for.
MOST = 2000
# Beyond it numbers are not exact in a browser.
GREATEST = 2**53 - 1
# The first second of 2100, since 1970: no clock is that wrong.
LATEST = 4_102_444_800


class Fields:
    """An object in an event; every method raises `MalformedAnnouncement` if a field is not what it asks for.

    Args:
        data: what came.
        where: the path of what came within the event; nothing for the event itself.
    """

    def __init__(self, data: object, where: str = "") -> None:
        if not isinstance(data, dict):
            raise MalformedAnnouncement(f"{where or 'the event'} is no object")
        self._data, self._where = data, where

    def count(self, name: str) -> int:
        """Return a whole number, not below 0."""
        value = self._get(name)
        if type(value) is int and 0 <= value <= GREATEST:
            return value
        raise self._wrong(name, "no count")

    def count_or_zero(self, name: str) -> int:
        """Return a whole number; 0 where an older version says nothing."""
        return self.count(name) if name in self._data else 0

    def number(self, name: str) -> float:
        """Return a number, neither infinite nor NaN."""
        value = self._get(name)
        if type(value) in (int, float) and abs(value) <= GREATEST:  # which NaN is not
            return float(value)
        raise self._wrong(name, "no number, or too large a one")

    def moment(self, name: str) -> float:
        """Return a time, in seconds since 1970."""
        value = self.number(name)
        if 0 <= value < LATEST:
            return value
        raise self._wrong(name, "no time of this century")

    def time(self, name: str) -> datetime:
        """Return a time, UTC, that came in seconds since 1970."""
        return datetime.fromtimestamp(self.moment(name), UTC)

    def maybe_number(self, name: str) -> float | None:
        """Return a number, or None where that came."""
        return None if self._get(name) is None else self.number(name)

    def maybe_time(self, name: str) -> datetime | None:
        """Return a time, or None where that came."""
        return None if self._get(name) is None else self.time(name)

    def maybe_part(self, name: str) -> Fields | None:
        """Return the object of this name; None where none came, or an older version says nothing."""
        return None if self._data.get(name) is None else self.part(name)

    def maybe_moment(self, name: str) -> float | None:
        """Return a time, in seconds since 1970, or None where that came, or nothing did."""
        return None if self._data.get(name) is None else self.moment(name)

    def flag(self, name: str) -> bool:
        """Return true or false."""
        value = self._get(name)
        if isinstance(value, bool):
            return value
        raise self._wrong(name, "neither true nor false")

    def maybe_flag(self, name: str) -> bool:
        """Return true or false; false where an older version says nothing."""
        return self.flag(name) if name in self._data else False

    def number_or_zero(self, name: str) -> float:
        """Return a number; 0 where an older version says nothing."""
        return self.number(name) if name in self._data else 0.0

    def name(self, name: str) -> str:
        """Return a text that names something."""
        return self._text(name, self._get(name), LONGEST_NAME)

    def maybe_name(self, name: str) -> str | None:
        """Return a text that names something, or None where that came, or nothing did."""
        return None if self._data.get(name) is None else self.name(name)

    def names(self, name: str) -> tuple[str, ...]:
        """Return a list of texts that name something."""
        return tuple(self._text(name, value, LONGEST_NAME) for value in self._list(name))

    def text(self, name: str) -> str:
        """Return a text that tells something."""
        return self._text(name, self._get(name), LONGEST_TEXT)

    def part(self, name: str) -> Fields:
        """Return the object of this name."""
        return Fields(self._get(name), self._path(name))

    def parts(self, name: str) -> list[Fields]:
        """Return the objects in the list of this name."""
        return [Fields(value, f"{self._path(name)}[{at}]") for at, value in enumerate(self._list(name))]

    def pairs(self, name: str) -> list[tuple[int, int]]:
        """Return the pairs of whole numbers in the list of this name."""
        for pair in (found := self._list(name)):
            if not isinstance(pair, list) or len(pair) != 2 or not all(type(one) is int for one in pair):
                raise self._wrong(name, "no list of pairs")
            if not all(0 <= one <= GREATEST for one in pair):
                raise self._wrong(name, "no list of counts")
        return [(first, second) for first, second in found]

    def maybe_parts(self, name: str) -> list[Fields]:
        """Return the objects in the list of this name; none where an older version says nothing."""
        return self.parts(name) if name in self._data else []

    def wrong(self, name: str) -> MalformedAnnouncement:
        """Return the error of a field that has none of the values that it may have."""
        return self._wrong(name, "none that we know")

    def _get(self, name: str) -> Any:
        try:
            return self._data[name]
        except KeyError:
            raise self._wrong(name, "missing") from None

    def _list(self, name: str) -> list[Any]:
        value = self._get(name)
        if isinstance(value, list) and len(value) <= MOST:
            return value
        raise self._wrong(name, "no list, or too long a one")

    def _text(self, name: str, value: object, longest: int) -> str:
        if isinstance(value, str) and len(value) <= longest and _is_unicode(value):
            return value
        raise self._wrong(name, f"no text of at most {longest} characters")

    def _wrong(self, name: str, how: str) -> MalformedAnnouncement:
        return MalformedAnnouncement(f"{self._path(name)} is {how}")

    def _path(self, name: str) -> str:
        return f"{self._where}.{name}" if self._where else name


def _is_unicode(text: str) -> bool:
    """Return whether a text can be written: JSON can carry half of a character, and UTF-8 cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
