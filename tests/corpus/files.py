"""The corpus itself: real files first, then the same files broken, by a fixed seed."""

from __future__ import annotations

import io
import random
import warnings
from collections.abc import Callable, Iterator
from functools import cache, partial
from importlib.metadata import distributions
from typing import Any

from PIL import Image

from tests.support import hostile, stills

SUFFIXES = {".jpg", ".jpeg", ".png", ".gif", ".bmp", ".tif", ".tiff", ".webp", ".heic", ".avif", ".ico", ".svg", ".ppm"}
MAX_BYTES = 20_000_000

# How each of the shipped pictures is saved again: the format, the mode, and what Pillow is told.
FORMS: list[tuple[str, str, dict[str, Any]]] = [
    ("JPEG", "RGB", {"quality": 85}),
    ("JPEG", "RGB", {"quality": 85, "progressive": True}),
    ("JPEG", "L", {"restart_marker_rows": 1, "progressive": True}),
    ("JPEG", "CMYK", {"quality": 60}),
    ("PNG", "RGBA", {}),
    ("PNG", "P", {}),
    ("PNG", "I;16", {}),
    ("GIF", "P", {}),
    ("BMP", "RGB", {}),
    ("BMP", "P", {}),
    ("TIFF", "RGB", {}),
    ("TIFF", "RGB", {"compression": "tiff_lzw"}),
    ("TIFF", "RGB", {"compression": "jpeg"}),
    ("TIFF", "L", {"compression": "tiff_adobe_deflate"}),
    ("TIFF", "1", {"compression": "group4"}),
    ("TIFF", "F", {}),
    ("WEBP", "RGB", {"quality": 80, "method": 0}),
    ("WEBP", "RGBA", {"lossless": True, "method": 0}),
    ("HEIF", "RGB", {"quality": 60}),
    ("AVIF", "RGB", {"quality": 60, "speed": 10}),
]
EXTREMES = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


def corpus(size: int, seed: int, *, heavy: bool = True) -> Iterator[tuple[str, bytes]]:
    """Yield so many files with their names: an eighth at most as they are, all others broken in one of `WAYS`.

    Args:
        size: how many files.
        seed: of what is broken.
        heavy: with those that are let through and take the most.
    """
    chance = random.Random(seed)
    whole = [*shipped(), *made()]
    chance.shuffle(whole)
    files = [*hostile.FILES.items(), *(hostile.HEAVY.items() if heavy else ()), *whole[: size // 8]]
    for name, make in files:
        yield name, make()
    for number in range(size - len(files)):
        name, make = chance.choice(whole)
        way = chance.choice(list(WAYS))
        yield f"{name}, {way} {number}", bytes(WAYS[way](bytearray(make()), chance, chance.choice(whole)[1]))


@cache
def shipped() -> list[tuple[str, Callable[[], bytes]]]:
    """Return the images that installed packages ship."""
    found: dict[bytes, str] = {}
    for distribution in distributions():
        for file in distribution.files or ():
            if file.suffix.lower() in SUFFIXES and (path := file.locate()).is_file():  # type: ignore[attr-defined]
                content = path.read_bytes()  # type: ignore[attr-defined]
                if len(content) <= MAX_BYTES:
                    found.setdefault(content, str(file))
    return [(name, partial(bytes, content)) for name, content in sorted((name, what) for what, name in found.items())]


@cache
def made() -> list[tuple[str, Callable[[], bytes]]]:
    """Return the shipped pictures in every format, none of them larger than 300 pixels."""
    return [
        (f"{name} as {format} {mode} {how}", partial(saved, picture, format, mode, tuple(how.items())))
        for name, picture in _pictures()
        for format, mode, how in FORMS
    ]


def _pictures() -> Iterator[tuple[str, Image.Image]]:
    for name, make in shipped():
        content = make()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if len(content) > 20_000 and name.endswith((".jpg", ".png")):
                picture = Image.open(io.BytesIO(content)).convert("RGB")
                picture.thumbnail((300, 300))
                yield name, picture


def saved(picture: Image.Image, format: str, mode: str, how: tuple[tuple[str, Any], ...]) -> bytes:
    """Return a picture's file."""
    assert stills  # Its import makes Pillow write HEIF.
    file = io.BytesIO()
    picture.convert(mode).save(file, format, **dict(how))
    return file.getvalue()


Other = Callable[[], bytes]


def _cut(content: bytearray, chance: random.Random, _: Other) -> bytes:
    return content[: chance.randrange(len(content))]


def _cut_with_an_end(content: bytearray, chance: random.Random, _: Other) -> bytes:
    return content[: chance.randrange(len(content))] + chance.choice([b"\xff\xd9", content[-12:], b"\x00\x3b"])


def _flipped(content: bytearray, chance: random.Random, _: Other) -> bytes:
    for _flip in range(chance.choice([1, 1, 2, 5, 50])):
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    return content


def _flipped_head(content: bytearray, chance: random.Random, _: Other) -> bytes:
    for _flip in range(chance.choice([1, 2, 5])):
        content[chance.randrange(min(200, len(content)))] = chance.randrange(256)
    return content


def _extreme(content: bytearray, chance: random.Random, _: Other) -> bytes:
    size = chance.choice([1, 2, 4])
    number = chance.choice(EXTREMES) & ((1 << 8 * size) - 1)
    at = chance.randrange(max(1, min(600, len(content) - size)))
    content[at : at + size] = number.to_bytes(size, chance.choice(["little", "big"]))
    return content


def _swapped(content: bytearray, chance: random.Random, _: Other) -> bytes:
    places = sorted(chance.randrange(len(content)) for _place in range(4))
    first, second, third, fourth = places
    return content[:first] + content[third:fourth] + content[second:third] + content[first:second] + content[fourth:]


def _repeated(content: bytearray, chance: random.Random, _: Other) -> bytes:
    at = chance.randrange(len(content))
    part = content[at : at + chance.choice([8, 100, 2_000])]
    return content[:at] + part * chance.choice([2, 20, 500]) + content[at:]


def _zeroed(content: bytearray, chance: random.Random, _: Other) -> bytes:
    at = chance.randrange(len(content))
    size = chance.choice([4, 500, len(content)])
    return content[:at] + bytes(min(size, len(content) - at)) + content[at + size :]


def _spliced(content: bytearray, chance: random.Random, another: Other) -> bytes:
    other = another()
    return content[: chance.randrange(len(content))] + other[chance.randrange(len(other)) :]


WAYS: dict[str, Callable[[bytearray, random.Random, Other], bytes]] = {
    "cut": _cut,
    "cut, with an end": _cut_with_an_end,
    "flipped": _flipped,
    "flipped in its head": _flipped_head,
    "an extreme number": _extreme,
    "parts swapped": _swapped,
    "a part repeated": _repeated,
    "zeroed": _zeroed,
    "spliced": _spliced,
}
