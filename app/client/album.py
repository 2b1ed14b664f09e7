"""A page of results to be opened from the disk: each folder's labels, and a small picture of each file.

It asks nobody for anything: pictures are in it, drawn anew from the files, and nothing in it runs.
"""

from __future__ import annotations

from base64 import b64encode
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import ExitStack
from html import escape
from pathlib import Path
from tempfile import TemporaryFile
from typing import Self

from app.client.result import Result
from app.errors import ElastiqError
from app.images.small import small

SIDE = 160
MOST_PIXELS = 200_000_000
MOST_FILE_BYTES = 100_000_000
_LABELS = 12
_NONE = "without a label"
_HEAD = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Elastiq: what is in the photographs</title>
<style>
body { margin: 2rem clamp(1rem, 4vw, 4rem); font: 1rem/1.4 system-ui, sans-serif; }
h2 { overflow-wrap: anywhere; margin: 2.5rem 0 .5rem; }
ul { display: grid; padding: 0; list-style: none;
  grid-template-columns: repeat(auto-fill, minmax(9rem, 1fr)); gap: 1rem; }
li { overflow-wrap: anywhere; font-size: .85rem; content-visibility: auto; contain-intrinsic-size: 9rem 13rem; }
img, .none { display: block; width: 100%; height: 9rem; object-fit: cover; border-radius: .5rem; background: #8883; }
b { display: block; margin-top: .4rem; }
</style>
</head>
<body>
"""


class Album:
    """Writes the page when all results have come; until then pictures are kept in a file, not in memory.

    Raises:
        OSError: the page cannot be written.
    """

    def __init__(self, path: Path) -> None:
        with ExitStack() as stack:
            self._page = stack.enter_context(path.open("w", encoding="utf-8", errors="replace"))
            self._tiles = stack.enter_context(TemporaryFile())
            self._open = stack.pop_all()
        self._states: Counter[str] = Counter()
        # Of each folder, what each file is sorted by, and where its tile is.
        self._folders: dict[str, list[tuple[str, float, int, int]]] = defaultdict(list)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._open:
            self._page.write(_HEAD)
            total = sum(map(len, self._folders.values()))
            states = ", ".join(f"{count:,} {state}" for state, count in sorted(self._states.items()))
            self._page.write(f"<h1>{total:,} file{'s' * (total != 1)}</h1>\n<p>{escape(states)}</p>\n")
            for folder, files in sorted(self._folders.items()):
                self._page.writelines(self._section(folder, sorted(files)))
            self._page.write("</body>\n</html>\n")

    def add(self, result: Result) -> None:
        """Note one result and draw its file."""
        tile = _tile(result).encode(errors="replace")
        self._states[result.state] += 1
        folder = result.path.rpartition("/")[0] or "."
        self._folders[folder].append((result.label or _NONE, -(result.score or 0.0), self._tiles.tell(), len(tile)))
        self._tiles.write(tile)

    def _section(self, folder: str, files: list[tuple[str, float, int, int]]) -> Iterator[str]:
        counts = Counter(label for label, *_ in files).most_common()
        said = ", ".join(f"{escape(label)} {count:,}" for label, count in counts[:_LABELS])
        more = f", and {len(counts) - _LABELS:,} more" if len(counts) > _LABELS else ""
        yield f"<h2>{escape(folder)}</h2>\n<p>{said}{more}</p>\n<ul>\n"
        end = self._tiles.tell()
        for _, _, start, length in files:
            self._tiles.seek(start)
            yield self._tiles.read(length).decode()
        self._tiles.seek(end)
        yield "</ul>\n"


def _tile(result: Result) -> str:
    name = escape(result.path.rpartition("/")[2])
    picture = _picture(result)
    shown = f'<img alt="" src="data:image/jpeg;base64,{picture}">' if picture else '<span class="none"></span>'
    if result.failed:
        return f"<li>{shown}<b>{_NONE}</b>{name}: {escape(result.reason or '')}</li>\n"
    return f"<li>{shown}<b>{escape(result.label or '')}</b>{result.score or 0:.0%} · {name}</li>\n"


def _picture(result: Result) -> str:
    """Return the file as a small picture; nothing where it is none that can be drawn."""
    if result.file is None or result.file.size > MOST_FILE_BYTES:
        return ""
    try:
        data = result.file.content.read_bytes()
        return b64encode(small(data, side=SIDE, max_pixels=MOST_PIXELS)).decode()
    except (OSError, ElastiqError):
        return ""
