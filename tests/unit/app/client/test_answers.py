"""What a web tier answers, read."""

from __future__ import annotations

import io

import pytest
import urllib3

from app.client.answers import lines_in, object_in
from app.client.patience import Busy
from app.errors import ConfigurationError, TransientError


def answered(status: int, body: bytes, **headers: str) -> urllib3.HTTPResponse:
    return urllib3.HTTPResponse(io.BytesIO(body), headers, status, preload_content=False)


def test_lines_are_whole_however_they_come() -> None:
    assert list(lines_in(answered(200, b"a\n\xc3\xa4b\n\n"))) == ["a", "äb", ""]


def test_an_object_is_what_is_expected() -> None:
    assert object_in(answered(202, b'{"images": 1}'), (200, 202)) == {"images": 1}
    with pytest.raises(ConfigurationError, match="no JSON object"):
        object_in(answered(200, b"[]"), (200,))


@pytest.mark.parametrize(("status", "kind"), [(404, ConfigurationError), (429, TransientError), (503, TransientError)])
def test_an_error_may_pass_or_will_not(status: int, kind: type[Exception]) -> None:
    with pytest.raises(kind, match="why"):
        object_in(answered(status, b'{"detail": "why"}'), (200,))


def test_a_server_that_says_when_to_ask_again_is_busy() -> None:
    answer = answered(503, b"", **{"Retry-After": "7"})
    with pytest.raises(Busy) as busy:
        object_in(answer, (200,))
    assert busy.value.after_s == 7
