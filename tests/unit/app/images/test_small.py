"""Small pictures."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from app.errors import InvalidImage
from app.images.small import small
from tests.support import photographs, stills

MANY = 100_000_000


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    target = io.BytesIO()
    assert stills  # Its import makes Pillow write HEIF.
    image.save(target, kind, **options)
    return target.getvalue()


def rendered(data: bytes, side: int = 100) -> Image.Image:
    image = Image.open(io.BytesIO(small(data, side=side, max_pixels=MANY)))
    assert image.get_format_mimetype() == "image/jpeg"
    return image


def test_a_photograph_becomes_a_small_jpeg_of_the_same_shape() -> None:
    shown = rendered(photographs.chelsea())
    assert shown.format == "JPEG"
    assert shown.size == (100, 67)


def test_a_small_picture_is_not_made_larger() -> None:
    assert rendered(encoded(Image.new("RGB", (10, 20)), "PNG")).size == (10, 20)


def test_a_photograph_taken_on_its_side_stands_upright() -> None:
    image = Image.new("RGB", (80, 40), "blue")
    image.paste("red", (0, 0, 40, 40))
    exif = Image.Exif()
    exif[0x0112] = 6  # turn it by 90 degrees to the right
    shown = rendered(encoded(image, "JPEG", exif=exif, quality=95))
    assert shown.size == (40, 80)
    assert np.asarray(shown)[10, 20, 0] > 200  # the left half is on top now


@pytest.mark.parametrize("kind", ["BMP", "TIFF", "GIF", "WEBP", "PNG", "HEIF", "AVIF"])
def test_formats_that_browsers_do_not_know_are_shown_too(kind: str) -> None:
    assert rendered(encoded(Image.new("RGB", (300, 200), "green"), kind)).size == (100, 67)


def test_what_is_transparent_is_white_as_the_model_sees_it() -> None:
    shown = rendered(encoded(Image.new("RGBA", (50, 50), (255, 0, 0, 0)), "PNG"))
    assert shown.format == "JPEG"
    assert np.asarray(shown).min() == 255


def test_deep_grey_pictures_keep_their_tones() -> None:
    ramp = np.linspace(0, 65535, 64 * 64).reshape(64, 64).astype("uint16")
    tones = np.asarray(rendered(encoded(Image.fromarray(ramp), "PNG")).convert("L"))
    assert tones.min() < 10
    assert tones.max() > 245
    assert 100 < tones.mean() < 155


def test_nothing_that_was_hidden_in_the_file_comes_out_again() -> None:
    secret = b"<script>alert(1)</script>"
    exif = Image.Exif()
    exif[0x010E] = secret.decode()
    data = encoded(Image.new("RGB", (50, 50)), "JPEG", exif=exif, comment=secret) + secret
    assert secret in data
    assert secret not in small(data, side=100, max_pixels=MANY)


def test_a_file_that_is_cut_short_has_no_picture() -> None:
    with pytest.raises(InvalidImage, match="damaged"):
        small(photographs.coffee()[:20_000], side=100, max_pixels=MANY)


def test_a_picture_beyond_the_limit_is_not_decoded() -> None:
    with pytest.raises(InvalidImage, match="200 megapixels"):
        small(photographs.bomb(), side=100, max_pixels=MANY)
