"""The preview shows what the model sees: two ways to ask for pixels, one way to get them."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
from PIL import Image

from app.errors import InvalidImage
from app.images.small import small
from tasks.engine.artifact import Preprocessing
from tasks.engine.decode import decode
from tests.support import photographs
from tests.support.stills import still, ten_bits

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL")

MAX_PIXELS = 100_000_000
SIDE = 160
NATIVE = Preprocessing(None, None, "bicubic", (0, 0, 0), (1, 1, 1), longest=SIDE)


@cache
def photograph() -> Image.Image:
    return Image.open(io.BytesIO(photographs.coffee())).convert("RGB").resize((451, 301))


def grey() -> Image.Image:
    return photograph().convert("L")


def deep(mode: str) -> Image.Image:
    kind = ">u2" if mode == "I;16B" else "<u2"
    return Image.frombytes(mode, grey().size, (np.asarray(grey()).astype(np.uint16) * 257).astype(kind).tobytes())


def floating(low: float, high: float) -> Image.Image:
    return Image.fromarray(np.asarray(grey(), np.float32) / 255 * (high - low) + low)


def faded(mode: str) -> Image.Image:
    image = photograph().convert(mode)
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    return image


def premultiplied_grey() -> bytes:
    """A TIFF of grey and associated alpha, which Pillow reads as La and does not write."""
    image = faded("LA").convert("La")
    data = image.tobytes()
    width, height = image.size
    entries = [
        (256, 3, 1, width), (257, 3, 1, height), (258, 3, 2, 8 | 8 << 16), (259, 3, 1, 1), (262, 3, 1, 1),
        (273, 4, 1, 8), (277, 3, 1, 2), (278, 3, 1, height), (279, 4, 1, len(data)), (338, 3, 1, 1),
    ]  # fmt: skip
    directory = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return b"II*\x00" + struct.pack("<I", 8 + len(data)) + data + directory + bytes(4)


def saved(image: Image.Image, format: str, **how: object) -> bytes:
    file = io.BytesIO()
    image.save(file, format, **how)
    return file.getvalue()


def exif(way: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = way
    return exif


def lying(way: int) -> bytes:
    return saved(photograph(), "JPEG", quality=95, exif=exif(way))


KINDS: dict[str, Callable[[], bytes]] = {
    "JPEG": lambda: saved(photograph(), "JPEG", quality=95),
    "JPEG, large": lambda: saved(photograph().resize((1803, 1203)), "JPEG", quality=95),
    "JPEG, progressive": lambda: saved(photograph(), "JPEG", progressive=True),
    "JPEG, grey": lambda: saved(grey(), "JPEG"),
    "JPEG, CMYK": lambda: saved(photograph().convert("CMYK"), "JPEG"),
    "MPO": lambda: saved(photograph(), "MPO", save_all=True, append_images=[photograph()]),
    "PNG": lambda: saved(photograph(), "PNG"),
    "PNG, grey": lambda: saved(grey(), "PNG"),
    "PNG, 16-bit grey": lambda: saved(deep("I;16"), "PNG"),
    "PNG, 1 bit": lambda: saved(photograph().convert("1"), "PNG"),
    "PNG, palette": lambda: saved(photograph().convert("P"), "PNG"),
    "PNG, clear entry": lambda: saved(photograph().convert("P"), "PNG", transparency=3),
    "PNG, clear colour": lambda: saved(photograph().quantize(8).convert("RGB"), "PNG", transparency=(0, 0, 0)),
    "PNG, alpha": lambda: saved(faded("RGBA"), "PNG"),
    "PNG, grey and alpha": lambda: saved(faded("LA"), "PNG"),
    "WebP": lambda: saved(photograph(), "WEBP"),
    "WebP, alpha": lambda: saved(faded("RGBA"), "WEBP"),
    "GIF": lambda: saved(photograph(), "GIF"),
    "GIF, clear entry": lambda: saved(photograph().convert("P"), "GIF", transparency=3),
    "BMP": lambda: saved(photograph(), "BMP"),
    "TIFF": lambda: saved(photograph(), "TIFF"),
    "TIFF, LZW": lambda: saved(photograph(), "TIFF", compression="tiff_lzw"),
    "TIFF, CMYK": lambda: saved(photograph().convert("CMYK"), "TIFF"),
    "TIFF, YCbCr": lambda: saved(photograph().convert("YCbCr"), "TIFF"),
    "TIFF, 16-bit, big end first": lambda: saved(deep("I;16B"), "TIFF"),
    "TIFF, 32 bits": lambda: saved(floating(-1e6, 1e6).convert("I"), "TIFF"),
    "TIFF, floating, 0 to 1": lambda: saved(floating(0, 1), "TIFF"),
    "TIFF, floating": lambda: saved(floating(-500, 70_000), "TIFF"),
    "TIFF, premultiplied grey": premultiplied_grey,
    "HEIC": lambda: still(photograph(), "HEIF"),
    "HEIC, large": lambda: still(photograph().resize((1403, 903)), "HEIF"),
    "HEIC, turned": lambda: still(photograph(), "HEIF", exif=exif(6).tobytes()),
    "HEIC, alpha": lambda: still(faded("RGBA"), "HEIF"),
    "HEIC, 10 bits": lambda: ten_bits(photograph()),
    "AVIF": lambda: still(photograph(), "AVIF"),
    "AVIF, large": lambda: still(photograph().resize((1403, 903)), "AVIF"),
    "AVIF, turned": lambda: still(photograph(), "AVIF", exif=exif(8).tobytes()),
    "AVIF, alpha": lambda: still(faded("RGBA"), "AVIF"),
    **{f"JPEG, turned {way}": lambda way=way: lying(way) for way in range(2, 9)},  # type: ignore[misc]
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_preview_shows_what_the_model_sees(kind: str) -> None:
    content = KINDS[kind]()
    seen = decode(content, NATIVE, max_pixels=MAX_PIXELS)
    picture = small(content, side=SIDE, max_pixels=MAX_PIXELS)
    shown = Image.open(io.BytesIO(picture))

    # Through the same JPEG, so that what is left is what differs.
    expected = Image.open(io.BytesIO(saved(Image.fromarray(seen), "JPEG", quality=82)))
    assert (shown.mode, shown.size, shown.format) == ("RGB", expected.size, "JPEG")
    assert max(shown.size) == SIDE
    # A filter in another order of rounding, which the JPEG enlarges; a shift by a pixel would be five times as much.
    assert np.abs(np.asarray(shown).astype(int) - np.asarray(expected)).mean() < 1.5


@pytest.mark.parametrize(
    "kind", ["PNG, 16-bit grey", "TIFF, 16-bit, big end first", "TIFF, 32 bits", "TIFF, floating, 0 to 1"]
)
def test_what_is_deep_or_floating_is_seen_as_the_photograph_that_it_is(kind: str) -> None:
    seen = decode(KINDS[kind](), NATIVE, max_pixels=MAX_PIXELS).astype(int)
    plain = np.asarray(grey().resize(seen.shape[1::-1], Image.Resampling.BICUBIC, reducing_gap=2)).astype(int)

    assert np.abs(seen[..., 0] - plain).mean() < 3


@pytest.mark.parametrize("progressive", [False, True])
def test_half_a_jpeg_is_neither_labelled_nor_shown_and_one_without_its_last_two_bytes_is_both(
    progressive: bool,
) -> None:
    whole = saved(photograph(), "JPEG", quality=90, progressive=progressive)
    for part in (whole[: len(whole) // 2], whole[: len(whole) // 2] + b"\xff\xd9"):
        with pytest.raises(InvalidImage, match="damaged or cut short"):
            decode(part, NATIVE, max_pixels=MAX_PIXELS)
        with pytest.raises(InvalidImage, match="damaged or cut short"):
            small(part, side=SIDE, max_pixels=MAX_PIXELS)

    seen = decode(whole[:-2], NATIVE, max_pixels=MAX_PIXELS)
    assert np.array_equal(seen, decode(whole, NATIVE, max_pixels=MAX_PIXELS))
    assert small(whole[:-2], side=SIDE, max_pixels=MAX_PIXELS) == small(whole, side=SIDE, max_pixels=MAX_PIXELS)


@pytest.mark.parametrize("kind", ["HEIC", "HEIC, large", "HEIC, 10 bits", "AVIF", "AVIF, large"])
def test_a_photograph_of_a_phone_is_seen_as_the_one_that_was_taken(kind: str) -> None:
    seen = decode(KINDS[kind](), NATIVE, max_pixels=MAX_PIXELS).astype(int)
    plain = np.asarray(photograph().resize(seen.shape[1::-1], Image.Resampling.BICUBIC, reducing_gap=2)).astype(int)

    assert np.abs(seen - plain).mean() < 4


@pytest.mark.parametrize(("kind", "back"), [("HEIC, turned", 90), ("AVIF, turned", 270)])
def test_a_phone_s_photograph_stands_upright(kind: str, back: int) -> None:
    seen = decode(KINDS[kind](), NATIVE, max_pixels=MAX_PIXELS)
    lying = np.asarray(Image.fromarray(seen).rotate(back, expand=True)).astype(int)
    plain = np.asarray(photograph().resize(lying.shape[1::-1], Image.Resampling.BICUBIC, reducing_gap=2)).astype(int)

    assert np.abs(lying - plain).mean() < 4
