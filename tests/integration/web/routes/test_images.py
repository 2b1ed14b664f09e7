"""The API of one image: its small picture, and what protects a browser from it."""

from __future__ import annotations

import io

from PIL import Image

from tests.support import photographs
from tests.support.web import Site, key_path

CAT = photographs.chelsea()


def test_a_small_picture_is_our_own_and_can_do_nothing(site: Site) -> None:
    id = site.upload(("a.png", CAT))["id"]
    answer = site.get(key_path(f"{id}/a.png"))
    assert answer.headers["Content-Type"] == "image/jpeg"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert "immutable" in answer.headers["Cache-Control"]
    assert "private" in answer.headers["Cache-Control"]
    assert Image.open(io.BytesIO(answer.data)).size == (400, 266)
    large = site.get(key_path(f"{id}/a.png") + "?size=large")
    assert Image.open(io.BytesIO(large.data)).size == (451, 300)
