"""Bodies of files."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.client.files import File
from app.client.form import Form, Unreadable
from app.errors import TransientError


def lying(path: Path, data: bytes) -> File:
    path.write_bytes(data)
    return File(str(path), path.name, path, len(data))


def test_a_form_is_as_long_as_it_says_and_escapes_what_browsers_do(tmp_path: Path) -> None:
    form = Form([lying(tmp_path / 'a "b".png', b"cat"), lying(tmp_path / "c.png", b"")])
    body = b"".join(form)
    assert len(body) == int(form.headers["Content-Length"])
    assert b'name="files"; filename="a %22b%22.png"\r\n\r\ncat\r\n' in body
    boundary = form.headers["Content-Type"].partition("boundary=")[2].encode()
    assert body.endswith(b"--" + boundary + b"--\r\n")


def test_a_file_that_shrinks_or_goes_while_it_is_sent_is_told(tmp_path: Path) -> None:
    file = lying(tmp_path / "a.png", b"cat")
    form = Form([file])
    file.content.write_bytes(b"c")
    with pytest.raises(TransientError, match="shorter"):
        b"".join(form)
    file.content.unlink()
    with pytest.raises(Unreadable):
        b"".join(form)
    with pytest.raises(Unreadable, match="No such file"):
        Form([file])
