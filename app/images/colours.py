"""From any of Pillow's modes to RGB in two steps, before and after a resize: what can't be averaged goes first.

Pillow's own conversions cut off what is deep and forget what is transparent.
"""

from __future__ import annotations

import math
import sys

from PIL import Image, ImageChops, ImageMath

from app.errors import InvalidImage

# The upper eight of sixteen bits, by Pillow's names for how the values lie.
_DEEP = {"I;16": "L;16", "I;16L": "L;16", "I;16B": "L;16B", "I;16N": "L;16" if sys.byteorder == "little" else "L;16B"}
_AVERAGEABLE = {
    "1": "L",
    "P": "RGB",
    "PA": "RGBA",
    "La": "LA",
    "RGBa": "RGBA",
    "YCbCr": "RGB",
    "HSV": "RGB",
    "RGBX": "RGB",
}


def averageable(source: Image.Image) -> Image.Image:
    """Return a decoded image in L, LA, RGB, RGBA or CMYK, whose values a resize can average.

    Raises:
        InvalidImage: its colours are none that we know.
    """
    mode = source.mode
    if mode == "LAB":
        raise InvalidImage("the image's colours are CIE L*a*b*; convert it to RGB")
    if mode in _DEEP:
        return _upper(source)
    if mode in {"I", "F"}:
        return _stretched(source)
    if "transparency" in source.info and mode in {"1", "L", "P", "RGB"}:
        return source.convert("RGBA")
    return source.convert(_AVERAGEABLE[mode]) if mode in _AVERAGEABLE else source


def cut_key(source: Image.Image) -> None:
    """Cut the clear colour of an image that is not yet loaded to eight bits, where Pillow will cut its colours so."""
    key, tiles = source.info.get("transparency"), getattr(source, "tile", [])
    if source.mode == "RGB" and isinstance(key, tuple) and any("RGB;16" in str(tile[3]) for tile in tiles):
        source.info["transparency"] = tuple(value >> 8 for value in key)


def rgb(image: Image.Image) -> Image.Image:
    """Return an averageable image in RGB, on white where it is transparent, as pages show it."""
    if image.mode in {"LA", "RGBA"}:
        image = image.convert("RGBA")
        white = Image.new("RGB", image.size, "white")
        white.paste(image, mask=image.getchannel("A"))
        return white
    return image if image.mode == "RGB" else image.convert("RGB")


def _upper(source: Image.Image) -> Image.Image:
    """Return the upper eight of sixteen bits; with an alpha where a value stands for clear."""
    deep, size, key = source.tobytes(), source.size, source.info.get("transparency")
    order = _DEEP[source.mode]
    upper = Image.frombytes("L", size, deep, "raw", order)
    if not isinstance(key, int):
        return upper
    lower = Image.frombytes("L", size, deep, "raw", "L;16" if order == "L;16B" else "L;16B")
    opaque = ImageChops.lighter(upper.point(_other_than(key >> 8)), lower.point(_other_than(key & 255)))
    return Image.merge("LA", (upper, opaque))


def _other_than(value: int) -> list[int]:
    return [0 if entry == value else 255 for entry in range(256)]


def _stretched(source: Image.Image) -> Image.Image:
    """Return values of any range as 0 to 255, least to greatest; what is not a number counts as least."""
    values = source.convert("F")
    low, high = _range(values)
    if not (math.isfinite(low) and math.isfinite(high)):
        values = _finite(values)
        low, high = _range(values)
    scale = 255 / max(high - low, 1e-12)
    return values.point(lambda value: value * scale - low * scale).convert("L")


def _range(values: Image.Image) -> tuple[float, float]:
    low, high = values.getextrema()
    assert isinstance(low, float)
    assert isinstance(high, float)
    return low, high


def _finite(values: Image.Image) -> Image.Image:
    """Return the image with its least finite value where there is none; 0 where there is no such value at all."""
    # What is infinite or no number differs from itself by what is no number.
    number = ImageMath.lambda_eval(lambda of: of["convert"](of["v"] - of["v"] == 0, "L"), v=values)
    other = number.point([255] + [0] * 255)
    box = number.getbbox()
    if box is None:
        return Image.new("F", values.size)
    row = number.crop((0, box[1], values.width, box[1] + 1)).getbbox()
    assert row is not None
    some = values.getpixel((row[0], box[1]))
    assert isinstance(some, float)
    values = values.copy()
    values.paste(some, mask=other)
    values.paste(_range(values)[0], mask=other)
    return values
