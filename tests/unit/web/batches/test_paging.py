"""A batch's images, page by page."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain import path_of
from web.batches.batch import Image
from web.batches.paging import page_of

keys = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=5).map("b/{}".format)


def images(keys: set[str]) -> list[Image]:
    return sorted((Image(key, None) for key in keys), key=lambda image: (path_of(image.key), image.key))


@given(keys=st.sets(keys, max_size=20), limit=st.integers(1, 7))
def test_all_come_once_in_their_order_whatever_the_pages(keys: set[str], limit: int) -> None:
    known, found, page = images(keys), [], ""
    while True:
        some, page = page_of(known, limit, page)
        found += some
        assert len(some) == limit or not page
        if not page:
            break
    assert found == known


def test_a_page_begins_behind_the_same_image_though_others_have_come_before_it() -> None:
    _, page = page_of(images({"b/b.png", "b/c.png", "b/d.png"}), 2, "")
    assert [image.key for image in page_of(images({"b/a.png", "b/b.png", "b/c.png", "b/d.png"}), 2, page)[0]] == [
        "b/d.png"
    ]


def test_without_a_limit_there_is_one_page() -> None:
    known = images({"b/a.png", "b/b.png"})
    assert page_of(known, 0, "") == (known, "")


@pytest.mark.parametrize("page", ["a", "ü", "____"])
def test_what_names_no_page_is_refused(page: str) -> None:
    with pytest.raises(ValueError, match="page is none"):
        page_of([], 1, page)
