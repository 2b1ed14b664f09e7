"""A box of an image in another size, as Pillow makes it, whoever computes it."""

from __future__ import annotations

import io
from functools import cache

import numpy as np
import pytest
from PIL import Image

from tasks.engine.resize import RESAMPLING, resize
from tests.support import photographs

BOX = (30.5, 10.25, 400.0, 370.75)


@cache
def photograph() -> Image.Image:
    return Image.open(io.BytesIO(photographs.coffee())).convert("RGB").resize((500, 375))


@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
def test_simd_gives_pillows_pixels(interpolation: str) -> None:
    pytest.importorskip("cykooz_resizer", reason="there is no wheel for this processor")

    ours = np.asarray(resize(photograph(), (224, 224), BOX, interpolation)).astype(int)
    theirs = np.asarray(photograph().resize((224, 224), RESAMPLING[interpolation], box=BOX)).astype(int)

    assert not np.array_equal(ours, theirs), "Pillow did it"
    assert np.abs(ours - theirs).mean() < 0.25
    assert np.abs(ours - theirs).max() <= 4


@pytest.mark.parametrize("mode", ["RGB", "L", "LA", "F"])
@pytest.mark.parametrize("interpolation", sorted(RESAMPLING))
def test_each_interpolation_makes_the_size_and_keeps_the_mode(interpolation: str, mode: str) -> None:
    resized = resize(photograph().convert(mode), (50, 40), BOX, interpolation)

    assert (resized.size, resized.mode) == ((50, 40), mode)


def test_nearest_takes_pixels_and_mixes_none() -> None:
    halves = Image.new("RGB", (100, 100), "red")
    halves.paste("blue", (50, 0, 100, 100))

    colours = resize(halves, (7, 7), (0, 0, 100, 100), "nearest").getcolors()

    assert colours is not None
    assert {colour for _, colour in colours} == {(255, 0, 0), (0, 0, 255)}


def test_what_lies_beyond_the_box_is_not_seen() -> None:
    framed = Image.new("RGB", (300, 300), "red")
    framed.paste("blue", (90, 90, 210, 210))  # the filter reaches a few pixels over the edge of the box

    for interpolation in RESAMPLING:
        assert resize(framed, (32, 32), (100, 100, 200, 200), interpolation).getcolors() == [(1024, (0, 0, 255))]


def test_a_box_far_larger_than_its_size_is_averaged_and_not_sampled() -> None:
    stripes = Image.fromarray(np.tile(np.array([0, 255], np.uint8), (1000, 500))).convert("RGB")

    grey = np.asarray(resize(stripes, (10, 10), (0, 0, 1000, 1000), "bicubic"))

    assert np.abs(grey.astype(int) - 127).max() <= 2
