"""The OpenAPI document: every route is in it, with all that it may answer."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask

from tests.support.conforming import api
from web.application import add_routes
from web.openapi.document import EVERY, EVERY_POST, document, template
from web.openapi.operations import UNSAID, Answer, operation, said_by
from web.openapi.parameters import Whole

ROUTES = Flask("web")
add_routes(ROUTES)
METHODS = [
    (template(rule), method.lower(), rule.endpoint)
    for rule in ROUTES.url_map.iter_rules()
    for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
]


def test_every_route_is_in_it_and_nothing_else() -> None:
    described = {(path, method) for path, operations in api()["paths"].items() for method in operations}
    assert described == {(path, method) for path, method, _ in METHODS}


def test_a_route_that_is_not_open_says_its_scope_and_that_it_may_ask_who_calls() -> None:
    guarded, open_ = api()["paths"]["/metrics"]["get"], api()["paths"]["/healthz"]["get"]
    assert guarded["x-scope"] == "operate"
    assert {"401", "403"} <= set(guarded["responses"])
    assert set(guarded["security"][0]) <= set(api()["components"]["securitySchemes"])
    assert "security" not in open_
    assert "401" not in open_["responses"]


@pytest.mark.parametrize(("path", "method", "endpoint"), METHODS)
def test_each_route_of_ours_says_what_it_answers(path: str, method: str, endpoint: str) -> None:
    if endpoint != "static":
        assert said_by(ROUTES.view_functions[endpoint]) is not UNSAID, "see web/openapi/operations.py"
    told = api()["paths"][path][method]
    assert told["summary"]
    assert {str(status) for status in (*EVERY, *(EVERY_POST if method != "get" else ()))} <= set(told["responses"])
    assert {parameter["name"] for parameter in told.get("parameters", ()) if parameter["in"] == "path"} == {
        part.strip("{}") for part in path.split("/") if part.startswith("{")
    }


def test_no_two_operations_have_one_id_and_no_reference_leads_nowhere() -> None:
    operations = [told for operations in api()["paths"].values() for told in operations.values()]
    ids = [told["operationId"] for told in operations]
    assert len(set(ids)) == len(ids)
    for reference in references(api()):
        found: Any = api()
        for part in reference.removeprefix("#/").split("/"):
            found = found[part]


def test_it_has_the_errors_that_a_route_answers_with_and_no_others() -> None:
    used = {reference.rpartition("/")[2] for reference in references(api()) if "/responses/" in reference}
    assert set(api()["components"]["responses"]) == used
    assert "PaymentRequired" not in used


def references(part: Any) -> list[str]:
    if isinstance(part, list):
        return [found for one in part for found in references(one)]
    if not isinstance(part, dict):
        return []
    own = [part["$ref"]] if "$ref" in part else []
    return own + [found for one in part.values() for found in references(one)]


def test_what_an_operation_says_is_what_the_document_has() -> None:
    app = Flask("test")

    @app.get("/things/<path:path>")
    @operation(
        {200: Answer("A thing.", int, headers={"ETag": "Its version."}), 304: Answer("The same.", media=())},
        problems=(404,),
        takes=(Whole(name="limit", says="How many.", least=1, most=2, default=1),),
    )
    def thing(path: str) -> str:
        """Return a thing.

        As it
        is.
        """
        return path

    told = document(app, "7")["paths"]["/things/{path}"]["get"]
    assert (told["summary"], told["description"]) == ("Return a thing.", "As it is.")
    assert [parameter["name"] for parameter in told["parameters"]] == ["path", "limit"]
    assert told["responses"]["200"]["content"] == {"application/json": {"schema": {"type": "integer"}}}
    assert set(told["responses"]["200"]["headers"]) == {"ETag", "X-Request-Id", "Elastiq-Version"}
    assert "content" not in told["responses"]["304"]
    assert told["responses"]["404"] == {"$ref": "#/components/responses/NotFound"}
