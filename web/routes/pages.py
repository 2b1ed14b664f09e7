"""The page. It is the same for every batch: what it shows comes through the API."""

from __future__ import annotations

from flask import Blueprint, Response, make_response, render_template

from app.domain import BATCH_ID
from web.openapi.operations import PAGE, Answer, operation
from web.tier import tier

blueprint = Blueprint("pages", __name__)


@blueprint.get("/")
@operation({200: Answer("The page.", media=(PAGE,))})
def index() -> Response:
    """Return the page, ready to take images."""
    return _page()


@blueprint.get("/batches/<id>")
@operation({200: Answer("The page.", media=(PAGE,)), 404: Answer("The page, which says so.", media=(PAGE,))})
def batch(id: str) -> Response:
    """Return the page, which shows this batch, or says that there is none."""
    answer = _page()
    answer.status_code = 200 if BATCH_ID.fullmatch(id) else 404
    return answer


def _page() -> Response:
    limit, direct = tier().settings.images.max_file_bytes, tier().staging is not None
    answer = make_response(render_template("page.html", max_file_bytes=limit, direct=direct))
    answer.headers["Cache-Control"] = "no-cache"
    return answer
