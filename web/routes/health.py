"""Health: whether this process lives, and whether what it needs answers."""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint, Response, jsonify

from app.errors import ElastiqError
from web.http.problems import problem
from web.openapi import shapes
from web.openapi.operations import Answer, operation
from web.openapi.parameters import Choice
from web.tier import tier

DEEP = Choice(name="deep", says="1: as `/readyz`.", words=("0", "1"))

blueprint = Blueprint("health", __name__)


@blueprint.get("/healthz")
@operation({200: Answer("It does.", shapes.Health)}, takes=(DEEP,))
def alive() -> Response:
    """Answer that the process serves; with ``?deep=1``, as `ready` does."""
    return ready() if DEEP.read() == "1" else jsonify(status="ok")


@blueprint.get("/readyz")
@operation({200: Answer("All of them answer.", shapes.Health)})
def ready() -> Response:
    """Ask the buckets and the queue."""
    found = {what: _outcome_of(check) for what, check in _CHECKS.items()}
    if any(outcome != "ok" for outcome in found.values()):
        return problem(503, "; ".join(outcome for outcome in found.values() if outcome != "ok"), checks=found)
    return jsonify(status="ok", checks=found)


def _outcome_of(check: Callable[[], None]) -> str:
    try:
        check()
    except ElastiqError as err:
        return str(err)
    return "ok"


def _input_bucket() -> None:
    next(tier().storage.images("healthz"), None)


def _output_bucket() -> None:
    next(tier().storage.outcomes("healthz"), None)


def _queue() -> None:
    tier().queue.depth()


_CHECKS = {"input_bucket": _input_bucket, "output_bucket": _output_bucket, "queue": _queue}
