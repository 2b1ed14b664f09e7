"""The page of results."""

from __future__ import annotations

import base64
import io
import re
from contextlib import suppress
from pathlib import Path

from PIL import Image

from app.client.album import Album
from app.client.files import File
from app.client.result import Result, failure
from tests.support import photographs

HOSTILE = '"><script>alert(1)</script>.png'


def file(path: Path, data: bytes) -> File:
    path.write_bytes(data)
    return File(str(path), path.name, path, len(data))


def test_each_folder_has_its_labels_counted_and_its_files_in_order_with_a_small_picture(tmp_path: Path) -> None:
    cat = file(tmp_path / "cat.png", photographs.chelsea())
    with Album(tmp_path / "page.html") as album:
        album.add(Result("b/3.png", "done", "tabby", 0.5, file=cat))
        album.add(Result("a/1.png", "done", "lynx", 0.75, file=cat))
        album.add(Result("b/4.png", "done", "tabby", 0.9, file=cat))
        album.add(failure("b/5.png", "too large", file(tmp_path / "text.png", b"no photograph")))
        album.add(Result("b/6.png", "cancelled", reason="cancelled"))
    page = (tmp_path / "page.html").read_text()
    assert "<h1>5 files</h1>\n<p>1 cancelled, 3 done, 1 failed</p>" in page
    assert re.findall("<h2>(.*)</h2>\n<p>(.*)</p>", page) == [
        ("a", "lynx 1"),
        ("b", "tabby 2, without a label 2"),
    ]
    assert re.findall("<b>(.*?)</b>(.*?)</li>", page) == [
        ("lynx", "75% · 1.png"),
        ("tabby", "90% · 4.png"),
        ("tabby", "50% · 3.png"),
        ("without a label", "5.png: too large"),
        ("without a label", "6.png: cancelled"),
    ]
    pictures = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', page)
    assert len(pictures) == 3
    assert max(Image.open(io.BytesIO(base64.b64decode(pictures[0]))).size) == 160


def test_nothing_that_a_file_or_a_server_says_is_markup(tmp_path: Path) -> None:
    with Album(tmp_path / "page.html") as album:
        album.add(Result(f"{HOSTILE[:-4]}/{HOSTILE}", "done", HOSTILE, 0.5))
        album.add(failure(HOSTILE, HOSTILE))
        album.add(failure("\udcff.png", "its name is no text"))
    page = (tmp_path / "page.html").read_text()
    assert "<script" not in page
    assert page.count("&lt;script&gt;") >= 5
    assert "default-src 'none'" in page


def test_what_has_come_is_on_the_page_whatever_ends_it(tmp_path: Path) -> None:
    with suppress(KeyboardInterrupt), Album(tmp_path / "page.html") as album:
        album.add(Result("a.png", "done", "tabby", 0.5))
        raise KeyboardInterrupt
    assert "<b>tabby</b>50% · a.png" in (tmp_path / "page.html").read_text()
