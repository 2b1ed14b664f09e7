"""The API's document, for programs and as a page."""

from __future__ import annotations

import html
import re

from openapi_spec_validator import OpenAPIV31SpecValidator

from tests.support import conforming
from tests.support.web import Site


def test_the_document_is_openapi_3_1_and_of_all_routes(site: Site) -> None:
    document = site.get("/openapi.json").json()
    assert document["openapi"] == "3.1.0"
    assert document["servers"] == [{"url": "/"}]
    assert document["paths"] == conforming.api()["paths"]
    OpenAPIV31SpecValidator(document).validate()


def test_the_page_shows_every_path_and_object_and_needs_no_script(site: Site) -> None:
    answer = site.get("/api")
    text = html.unescape(answer.data.decode())
    assert "script-src 'self'" in answer.headers["Content-Security-Policy"]
    assert "<script" not in text
    assert " style=" not in text
    for path in conforming.api()["paths"]:
        assert f"<code>{path}</code>" in text
    ids = set(re.findall(r' id="([^"]+)"', text))
    links = set(re.findall(r' href="#([^"]+)"', text))
    assert set(conforming.api()["components"]["schemas"]) <= ids
    assert links <= ids
