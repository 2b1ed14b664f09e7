"""What the API is, from the routes themselves: `/openapi.json` for programs, and the same as a page for people."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, current_app, jsonify, make_response, render_template, request

from web.http.identity import VERSION
from web.openapi.document import document
from web.openapi.operations import PAGE, Answer, operation

blueprint = Blueprint("description", __name__)


@blueprint.get("/openapi.json")
@operation({200: Answer("The document.", dict[str, Any])})
def read() -> Response:
    """Return this API's OpenAPI 3.1 document."""
    answer = jsonify({**document(current_app, VERSION), "servers": [{"url": request.script_root or "/"}]})
    answer.headers["Cache-Control"] = "no-cache"
    return answer


@blueprint.get("/api")
@operation({200: Answer("The page.", media=(PAGE,))})
def page() -> Response:
    """Return the same as a page."""
    answer = make_response(render_template("api.html", api=document(current_app, VERSION)))
    answer.headers["Cache-Control"] = "no-cache"
    return answer
