"""What became of one file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from app.client.files import File
from app.domain import Prediction


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one file that was handed in.

    Attributes:
        path: its path as it was given; in a folder that was named, that folder's and what follows.
        state: ``done``, ``failed`` or ``cancelled``.
        label: what is in it; None unless it is done.
        score: how sure that is, from 0 to 1; None unless it is done.
        top5: what it may be, the likeliest first.
        reason: why it has no label; None if it has one.
        key: its name in the input bucket; None if it was not uploaded.
        file: where its bytes are; None if it cannot be read.
    """

    path: str
    state: str
    label: str | None = None
    score: float | None = None
    top5: tuple[Prediction, ...] = ()
    reason: str | None = None
    key: str | None = None
    file: File | None = None

    @property
    def failed(self) -> bool:
        """Return whether it has no label."""
        return self.state != "done"

    def to_json(self) -> dict[str, Any]:
        """Return the form that the API has, with the path that was given."""
        return {
            "key": self.key,
            "filename": self.path.rpartition("/")[2],
            "path": self.path,
            "state": self.state,
            "label": self.label,
            "score": self.score,
            "top5": [{"label": one.label, "score": one.score} for one in self.top5],
            "reason": self.reason,
        }


def result_of(file: File, image: dict[str, Any]) -> Result:
    """Return what the web tier's ``image`` says of ``file``."""
    state = str(image["state"])
    return Result(
        path=file.given,
        state=state,
        label=image.get("label"),
        score=image.get("score"),
        top5=tuple(Prediction(one["label"], one["score"]) for one in image.get("top5") or ()),
        reason=image.get("reason") or (None if state == "done" else state),
        key=image.get("key"),
        file=file,
    )


def failure(path: str, reason: str, file: File | None = None) -> Result:
    """Return that a file failed before the web tier knew of it."""
    return Result(path, "failed", reason=reason, file=file)
