"""The OpenAPI 3.1 document of an application: its routes, with what each says of itself and what all have."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from flask import Flask
from werkzeug.routing import Rule

from web.access import table
from web.http import problems
from web.http.identity import HEADERS
from web.openapi.operations import EVENTS, JSON, PLAIN, Answer, Body, Operation, said_by
from web.openapi.schemas import Schemas
from web.openapi.shapes import Problem

# What any request may be answered with: it is none, came too slowly or too large, goes to another server's name, or
# something is wrong here.
EVERY = (400, 408, 414, 417, 421, 429, 431, 500, 501, 503)
# And one that could change something: it came from another site's page, without a length, or as nothing that is taken.
EVERY_POST = (403, 411, 415)
# And one of a route that is not open to everybody, where ELASTIQ_AUTH has callers asked who they are.
EVERY_GUARDED = (401, 403)
WAYS = {
    "key": {"type": "http", "scheme": "bearer", "description": "An API key of `elastiq keys`."},
    "password": {
        "type": "http",
        "scheme": "basic",
        "description": "A name and a password, or an API key as the password.",
    },
}
INTRODUCTION = (
    "Images in, labels out. Every error is a problem (RFC 9457) whose `detail` says what is wrong and what to do. "
    "docs/http-api.md says it at length."
)
_IN_PATH = {
    "id": {
        "description": "The batch's id; the time in it is one that there is.",
        "schema": {"type": "string", "pattern": "^[0-9]{8}T[0-9]{9}Z-[0-9a-f]{8}$"},
    },
    "path": {
        "description": "The image's path in its batch; `/` may be sent as it is.",
        "schema": {"type": "string"},
    },
}
_UNSAID = {"schema": {"type": "string"}}
_FILE = Operation(
    {
        200: Answer("The file.", media=("*/*",)),
        206: Answer("The part of it that `Range` asks for.", media=("*/*",)),
        304: Answer("It is the one that `If-None-Match` names.", media=()),
    },
    problems=(404, 416),
)
_ARGUMENT = re.compile(r"<(?:[^:<>]+:)?([^<>]+)>")
_ITSELF = {"HEAD", "OPTIONS"}


def document(app: Flask, version: str) -> dict[str, Any]:
    """Return the document of ``app``.

    Args:
        app: with all its routes.
        version: the API's.
    """
    schemas, refusals = Schemas(), _Refusals()
    schemas.of(Problem)
    paths: dict[str, dict[str, Any]] = {}
    for rule in sorted(app.url_map.iter_rules(), key=lambda rule: rule.rule):
        for method in sorted((rule.methods or set()) - _ITSELF):
            view = app.view_functions[rule.endpoint]
            at = paths.setdefault(template(rule), {})
            at[method.lower()] = _operation(rule, method, view, schemas, refusals)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Elastiq", "version": version, "description": INTRODUCTION},
        "paths": paths,
        "components": {
            "schemas": dict(sorted(schemas.named.items())),
            "responses": dict(sorted(refusals.named.items())),
            "securitySchemes": WAYS,
        },
    }


def template(rule: Rule) -> str:
    """Return a rule's path as OpenAPI has it."""
    return _ARGUMENT.sub(r"{\1}", rule.rule)


class _Refusals:
    """The problems that routes answer with, each of which the document has once.

    Attributes:
        named: them by name.
    """

    def __init__(self) -> None:
        self.named: dict[str, dict[str, Any]] = {}

    def of(self, status: int) -> dict[str, Any]:
        """Return a reference to the problem of a status, which the document has from then on."""
        name = name_of(status)
        content = {problems.MIME_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
        words = HTTPStatus(status).phrase
        self.named[name] = {"description": words, "headers": _headers(HEADERS), "content": content}
        return {"$ref": f"#/components/responses/{name}"}


def _operation(
    rule: Rule, method: str, view: Callable[..., Any], schemas: Schemas, refusals: _Refusals
) -> dict[str, Any]:
    said, words = _said(rule, view)
    summary, _, more = words.partition("\n\n")
    group = rule.endpoint.partition(".")[0]
    described: dict[str, Any] = {
        "operationId": f"{rule.endpoint}.{method.lower()}",
        "tags": [group],
        "summary": summary,
    }
    described |= {"description": " ".join(more.split())} if more else {}
    in_path = [
        {"name": name, "in": "path", "required": True, **_IN_PATH.get(name, _UNSAID)} for name in sorted(rule.arguments)
    ]
    if found := in_path + [parameter.described() for parameter in said.takes]:
        described["parameters"] = found
    if said.body:
        described["requestBody"] = _body(said.body, schemas)
    guarded = table.SCOPE_OF.get(rule.endpoint) not in (table.OPEN, None)
    if guarded:
        # The last: nothing, as long as nobody is asked.
        described["security"] = [{"key": []}, {"password": []}, {}]
        described["x-scope"] = table.SCOPE_OF[rule.endpoint]
    more_problems = (*(EVERY_POST if method != "GET" else ()), *(EVERY_GUARDED if guarded else ()))
    described["responses"] = _answers(said, more_problems, schemas, refusals)
    return described


def _said(rule: Rule, view: Callable[..., Any]) -> tuple[Operation, str]:
    """Return what a route says of itself, and in which words; for Flask's own route, it is said here."""
    if rule.endpoint == "static":
        return _FILE, "Return a file of the page."
    return said_by(view), inspect.getdoc(view) or ""


def _body(body: Body, schemas: Schemas) -> dict[str, Any]:
    content = {
        media: {"schema": shape if isinstance(shape, dict) else schemas.of(shape)}
        for media, shape in body.content.items()
    }
    return {"description": body.says, "required": body.required, "content": content}


def _answers(said: Operation, more: Sequence[int], schemas: Schemas, refusals: _Refusals) -> dict[str, Any]:
    found: dict[int, dict[str, Any]] = {status: _answer(one, schemas) for status, one in said.answers.items()}
    for status in {*EVERY, *more, *said.problems} - set(found):
        found[status] = refusals.of(status)
    return {str(status): found[status] for status in sorted(found)}


def _answer(answer: Answer, schemas: Schemas) -> dict[str, Any]:
    described: dict[str, Any] = {"description": answer.says, "headers": _headers({**HEADERS, **answer.headers})}
    described["headers"] |= _headers(answer.at_times, required=False)
    if answer.media:
        schema = schemas.of(answer.shape)
        described["content"] = {media: {"schema": schema if media in (JSON, PLAIN) else {}} for media in answer.media}
    if answer.events:
        # OpenAPI 3.1 has no words for the events of a stream; 3.2 has.
        described["content"][EVENTS]["x-events"] = {name: schemas.of(shape) for name, shape in answer.events.items()}
    return described


def _headers(headers: Mapping[str, str], *, required: bool = True) -> dict[str, Any]:
    kind = {"required": required, "schema": {"type": "string"}}
    return {name: {"description": says, **kind} for name, says in headers.items()}


def name_of(status: int) -> str:
    """Return the name of a status's problem among the document's responses."""
    return HTTPStatus(status).phrase.title().replace(" ", "").replace("-", "").replace("'", "")
