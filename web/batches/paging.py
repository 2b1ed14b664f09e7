"""A batch's images page by page, in the order of their paths: a page begins behind an image, whatever is new. Pure."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from bisect import bisect_right
from collections.abc import Sequence

from app.domain import path_of
from web.batches.batch import Image


def page_of(images: Sequence[Image], limit: int, page: str) -> tuple[Sequence[Image], str]:
    """Return the images of a page, and the name of the next one; empty if this is the last.

    Args:
        images: all, by path.
        limit: how many a page has; 0: all that are left.
        page: its name, as this gave it; empty: the first.

    Raises:
        ValueError: ``page`` is no such name.
    """
    begin = bisect_right(images, _place(named(page)), key=lambda image: _place(image.key)) if page else 0
    end = begin + limit if limit else len(images)
    return images[begin:end], name_of(images[end - 1].key) if end < len(images) else ""


def _place(key: str) -> tuple[str, str]:
    return path_of(key), key


def name_of(key: str) -> str:
    """Return the name of the page that begins behind ``key``."""
    return urlsafe_b64encode(key.encode()).decode().rstrip("=")


def named(page: str) -> str:
    """Return the key behind which a page begins.

    Raises:
        ValueError: ``page`` is no name of one.
    """
    try:
        return urlsafe_b64decode(page + "=" * (-len(page) % 4)).decode()
    except ValueError as err:
        raise ValueError("page is none that an answer's Link named") from err
