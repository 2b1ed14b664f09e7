"""A fleet whose launches fail."""

from __future__ import annotations

from collections.abc import Iterable

from app.domain import Instance


class Failing:
    """A fleet whose launches raise these errors one after the other, and then succeed; it has no instances.

    Attributes:
        asked: the count and the token of each launch.
    """

    elastic = True
    spot_resting = False

    def __init__(self, *errors: Exception) -> None:
        self._errors = list(errors)
        self.asked: list[tuple[int, str]] = []

    def instances(self) -> list[Instance]:
        return []

    def launch(self, count: int, token: str) -> list[Instance]:
        self.asked.append((count, token))
        if self._errors:
            raise self._errors.pop(0)
        return []

    def drain(self, ids: Iterable[str]) -> None:
        pass

    def terminate(self, ids: Iterable[str]) -> None:
        pass
