"""Decodes a JPEG and knows whether its data was all there, which libjpeg says nobody but itself.

libjpeg takes any marker for the end and makes up what is missing. So the decoder is given each scan's data without
the marker behind it, and instead bytes that can belong to no picture: a decoder that is through with the scan skips
them; one that waits for more takes them for data, several at a time, and leaves some over.
"""

from __future__ import annotations

import re
from typing import IO, Any

from PIL import Image, ImageFile

from app.images.jpeg import Jpeg, Scan
from app.images.source import damaged

# Sixteen ones are no Huffman code, so these bytes are no coefficient. A decoder looks at most 64 bits ahead.
_NOTHING = b"\xff\x00"
_AHEAD = 8
_NAME = "whole_jpeg"
# After so many bytes the file is asked whether there is time for more. A progressive scan's take longest.
_BLOCK = 64 * 1024
_EOI = b"\xff\xd9"
_CUT = "its data ends before its last pixel"
# A marker that is neither a stuffed zero nor a restart.
_AFTER_SCAN = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_RESTART = re.compile(rb"\xff[\xd0-\xd7]")


def guard(image: ImageFile.ImageFile, structure: Jpeg) -> None:
    """Make ``image.load()`` raise `InvalidImage` where a JPEG's data ends early or is damaged."""
    image.tile = [tile._replace(codec_name=_NAME, args=(structure, *_tuple(tile.args))) for tile in image.tile]


def _tuple(args: object) -> tuple[object, ...]:
    return args if isinstance(args, tuple) else (args,)


class _WholeJpeg(ImageFile.PyDecoder):
    """Pillow's own decoder, fed so that it can't take a part for the whole."""

    _pulls_fd = True

    def decode(self, buffer: object) -> tuple[int, int]:
        assert self.fd is not None
        self.fd.seek(0)
        data = self.fd.read()
        structure, *args = self.args
        decoder = Image._getdecoder(self.mode, "jpeg", tuple(args))
        try:
            decoder.setimage(self.im, self.state.extents())
            _decode(_Feed(decoder, self.fd), data, structure)
        finally:
            decoder.cleanup()
        return -1, 0


Image.register_decoder(_NAME, _WholeJpeg)


def _decode(feed: _Feed, data: bytes, structure: Jpeg) -> None:
    if structure.arithmetic:  # Its codes all mean something, and its decoder can't wait for more.
        feed.give(data[: structure.scans[-1].end if structure.scans else _end(data, structure)] + _EOI)
    elif structure.in_one_scan:
        feed.give(data[: _end(data, structure)] + _NOTHING * _AHEAD)
    else:
        _decode_scans(feed, data, structure)
    if not feed.done:
        raise damaged(_CUT)


def _decode_scans(feed: _Feed, data: bytes, structure: Jpeg) -> None:
    at = 0
    for scan in structure.scans:
        feed.give(data[at : scan.end] + _NOTHING * _AHEAD)
        at = scan.end
        if not (_restarts(data, scan) and feed.skips_nothing()):
            raise damaged(_CUT)
    feed.give(_EOI)


def _end(data: bytes, structure: Jpeg) -> int:
    """Return where the data of a picture in one scan ends."""
    found = _AFTER_SCAN.search(data, structure.first)
    return found.start() if found else len(data)


def _restarts(data: bytes, scan: Scan) -> bool:
    """Return whether a scan's restart markers are all there; one who waits for the next skips what means nothing."""
    return not scan.restarts or len(_RESTART.findall(data, scan.start, scan.end)) >= scan.restarts


class _Feed:
    """Hands bytes to a decoder that takes as many as it can use."""

    def __init__(self, decoder: Any, file: IO[bytes]) -> None:
        self._decoder, self._file, self._left, self.done = decoder, file, b"", False

    def give(self, more: bytes) -> None:
        for at in range(0, len(more), _BLOCK):
            self._file.read(0)  # Which a file that has its time refuses, when that is over.
            self._give(more[at : at + _BLOCK])

    def _give(self, more: bytes) -> None:
        if self.done:
            return
        self._left += more
        taken, error = self._decoder.decode(self._left)
        self.done = taken < 0
        if error < 0 and self.done:
            raise damaged("its decoder gave up")
        self._left = b"" if self.done else self._left[taken:]

    def skips_nothing(self) -> bool:
        """Return whether the decoder has no use for bytes that mean nothing: it takes each pair at once."""
        for _ in range(_AHEAD + 1):
            self.give(_NOTHING)
            if self._left:
                return False
        return True
