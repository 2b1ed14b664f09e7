"""The files that clients send: photographs with the label that each must get, and some that are none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.support.hostile import gif
from tests.support.photographs import bomb, labelled


@dataclass(frozen=True)
class Picture:
    """A file to send; ``label`` is what it must be labelled with, empty for what is no photograph."""

    name: str
    content: bytes
    label: str = ""


def pictures(label_of: Callable[[bytes], str]) -> list[Picture]:
    """Return the files that are sent: photographs with the label that the engine gives them, and some that are none."""
    good = [Picture(path.name, path.read_bytes(), label_of(path.read_bytes())) for path in labelled()]
    half = good[0].content[: len(good[0].content) // 2]
    bad = [Picture("bomb.png", bomb()), Picture("wide.gif", gif(65535, 65535)), Picture("half.jpg", half),
           Picture("page.html", b"<html>no image</html>"), Picture("empty.jpg", b"")]  # fmt: skip
    return good + bad
