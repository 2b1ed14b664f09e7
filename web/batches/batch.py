"""A batch as this process knows it: each image's latest state, in the order in which the news came. Pure."""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import asdict, dataclass
from typing import Any

from app.domain import Classification, Failure, filename_of, path_of
from app.storage import FAILURE, RESULT

Outcome = Classification | Failure


@dataclass(frozen=True, slots=True)
class Image:
    """One image and what became of it; ``position`` is its place in the order of the batch's news.

    One that has no outcome is ``cancelled`` if its batch is.
    """

    key: str
    outcome: Outcome | None
    position: int = 0
    cancelled: bool = False

    @property
    def state(self) -> str:
        """Return ``waiting``, ``done``, ``failed`` or ``cancelled``."""
        if self.outcome is None:
            return "cancelled" if self.cancelled else "waiting"
        return "done" if isinstance(self.outcome, Classification) else "failed"

    def to_json(self) -> dict[str, Any]:
        """Return the form that the API answers with."""
        names = {"key": self.key, "filename": filename_of(self.key), "path": path_of(self.key)}
        return {**names, "state": self.state, **details(self.outcome)}


@dataclass(frozen=True, slots=True)
class Counts:
    """How many images a batch has, by state."""

    total: int
    waiting: int
    done: int
    failed: int
    cancelled: int

    def to_json(self) -> dict[str, int]:
        """Return the form that the API answers with."""
        return asdict(self)


def cursor(epoch: str, position: int) -> str:
    """Return the text that a client gives back to get only what is newer than ``position``."""
    return f"{epoch}-{position}"


def details(outcome: Outcome | None) -> dict[str, Any]:
    """Return an outcome's fields as the API names them; all are there, None where they do not apply."""
    if isinstance(outcome, Classification):
        top5 = [asdict(prediction) for prediction in outcome.top5]
        return {"label": outcome.label, "score": outcome.score, "top5": top5, "reason": None}
    return {"label": None, "score": None, "top5": [], "reason": outcome.reason if outcome else None}


class Batch:
    """What is known of one batch. Not safe to share between threads; `web.batches.feed` holds a lock around it.

    Args:
        id: the batch's id.
        epoch: a word of this object's own: a cursor of another epoch (an earlier process) says nothing here.
    """

    def __init__(self, id: str, epoch: str) -> None:
        self.id = id
        self.position = 0
        self.epoch = epoch
        # In the order of the news: an image that changes goes to the end.
        self._images: dict[str, Image] = {}
        self._tally = {"waiting": 0, "done": 0, "failed": 0, "cancelled": 0}
        self._cancelled = False

    def __len__(self) -> int:
        return len(self._images)

    def update(self, key: str, outcome: Outcome | None) -> bool:
        """Note an image, or what became of it.

        A label is final. A failure is not: an image that failed may be classified after all.

        Returns:
            Whether that is news.
        """
        known = self._images.get(key)
        if known is not None and (
            outcome is None or isinstance(known.outcome, Classification) or known.outcome == outcome
        ):
            return False
        self._put(key, outcome)
        return True

    def cancel(self, cancelled: bool) -> list[str]:
        """Note whether the batch is cancelled; return the keys of which that is news, those without an outcome."""
        if cancelled == self._cancelled:
            return []
        self._cancelled = cancelled
        news = [image.key for image in self._images.values() if image.outcome is None]
        for key in news:
            self._put(key, None)
        return news

    def forgive(self, names: Container[str], position: int) -> list[str]:
        """Note that images are tried again: those that had failed at ``position``, and whose failure has gone since.

        Args:
            names: the result objects that there are.
            position: of the batch, before they were listed.

        Returns:
            The keys of which that is news.
        """
        failed = [image for image in self._images.values() if image.state == "failed" and image.position <= position]
        news = [image.key for image in failed if image.key + FAILURE not in names and image.key + RESULT not in names]
        for key in news:
            self._put(key, None)
        return news

    def outcome(self, key: str) -> Outcome | None:
        """Return what became of one image; None while nothing has."""
        image = self._images.get(key)
        return image.outcome if image else None

    def unread(self, names: Iterable[str]) -> list[str]:
        """Return those names of result objects that would be news."""
        return [name for name in names if self._is_news(name)]

    def since(self, position: int) -> list[Image]:
        """Return the images with news after ``position``, the oldest news first."""
        found = []
        for image in reversed(self._images.values()):
            if image.position <= position:
                break
            found.append(image)
        return found[::-1]

    def images(self) -> list[Image]:
        """Return all images by path."""
        return sorted(self._images.values(), key=lambda image: (path_of(image.key), image.key))

    def counts(self) -> Counts:
        """Return how many images there are, by state."""
        return Counts(total=len(self._images), **self._tally)

    def position_of(self, cursor: str) -> int:
        """Return the position that ``cursor`` stands for; 0, the beginning, when it is none of ours."""
        epoch, _, position = cursor.rpartition("-")
        return int(position) if epoch == self.epoch and position.isascii() and position.isdigit() else 0

    def _put(self, key: str, outcome: Outcome | None) -> None:
        """Have an image's state be the batch's latest news."""
        if (known := self._images.pop(key, None)) is not None:
            self._tally[known.state] -= 1
        self.position += 1
        image = self._images[key] = Image(key, outcome, self.position, self._cancelled and outcome is None)
        self._tally[image.state] += 1

    def _is_news(self, name: str) -> bool:
        if name.endswith(FAILURE):
            return self.outcome(name.removesuffix(FAILURE)) is None
        if name.endswith(RESULT):
            return not isinstance(self.outcome(name.removesuffix(RESULT)), Classification)
        return False
