"""Whether what a web tier answers is what its OpenAPI document says: status, content type, headers, and every field."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from typing import Any
from urllib.parse import unquote, urlsplit

import jsonschema_rs
from flask import Flask

from web.application import add_routes
from web.http.identity import VERSION
from web.http.problems import MIME_TYPE
from web.openapi.document import document

# What no route is behind, or not for this method.
ELSEWHERE = {404, 405}
# A longer answer is not looked into.
MOST_BYTES = 200_000


@cache
def api() -> dict[str, Any]:
    """Return the document of the web tier's routes."""
    app = Flask("web")
    add_routes(app)
    return document(app, VERSION)


def check(method: str, url: str, status: int, headers: Mapping[str, str], data: bytes) -> None:
    """Hold an answer to the document.

    Raises:
        AssertionError: it differs.
    """
    path = unquote(urlsplit(url).path)
    media = headers.get("Content-Type", "").partition(";")[0]
    what = f"{method} {path} -> {status} {media}"
    told = operation(method, path)
    if told is None:
        assert status in ELSEWHERE, f"{what}: the document has no such path"
        answer = api()["components"]["responses"]["NotFound"]
    else:
        assert str(status) in told["responses"], f"{what}: not among {list(told['responses'])}"
        answer = _resolved(told["responses"][str(status)])
    needed = {name.lower() for name, header in answer["headers"].items() if header["required"]}
    missing = needed - {name.lower() for name in headers}
    assert not missing, f"{what}: without {missing}"
    content = answer.get("content", {})
    assert media in content or "*/*" in content or (not data and not content), f"{what}: not {list(content)}"
    if media in {"application/json", MIME_TYPE} and len(data) <= MOST_BYTES and method != "HEAD":
        assert_valid(content.get(media, {}).get("schema", {}), json.loads(data), what)


def assert_valid(schema: dict[str, Any], value: object, what: str) -> None:
    """Hold ``value`` to a schema of the document."""
    errors = [f"{error.instance_path}: {error.message}" for error in _validator(json.dumps(schema)).iter_errors(value)]
    assert not errors, f"{what}: {errors[:5]}"


def operation(method: str, path: str) -> dict[str, Any] | None:
    """Return what the document says of a request; None if it has no such path, or not with this method."""
    for template in sorted(api()["paths"], key=lambda template: template.count("{")):
        if re.fullmatch(_pattern(template), path):
            found: dict[str, Any] | None = api()["paths"][template].get(method.lower().replace("head", "get"))
            return found
    return None


def _pattern(template: str) -> str:
    parts = re.split(r"({\w+})", template)
    return "".join(_WILD.get(part, "[^/]+") if part.startswith("{") else re.escape(part) for part in parts)


# Converters of more than one folder.
_WILD = {"{path}": ".+", "{filename}": ".+"}


def _resolved(answer: dict[str, Any]) -> dict[str, Any]:
    if "$ref" not in answer:
        return answer
    found: dict[str, Any] = api()["components"]["responses"][answer["$ref"].rpartition("/")[2]]
    return found


@cache
def _validator(schema: str) -> Any:
    return jsonschema_rs.Draft202012Validator({**json.loads(schema), "components": api()["components"]})
