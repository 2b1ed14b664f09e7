"""The monitor: what the fleet and the queues do, as a page, as JSON, and as an event stream."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from flask import Blueprint, Response, jsonify, make_response, render_template

from web.batches.stream import RETRY_MS
from web.fleet.depths import DepthReader
from web.tier import Tier, tier

PACE_S, SIGN_OF_LIFE_S = 1.0, 5.0

blueprint = Blueprint("monitor", __name__)


@blueprint.get("/monitor")
def page() -> Response:
    """Return the page; what it shows comes through the API."""
    answer = make_response(render_template("monitor.html"))
    answer.headers["Cache-Control"] = "no-cache"
    return answer


@blueprint.get("/api/fleet")
def read() -> Response:
    """Return the fleet, the decisions about it and the queues, as far as they are known; never an error."""
    answer = jsonify({**tier().fleet.view(), **_queues(tier().depths), "cost": tier().costs.view()})
    answer.headers["Cache-Control"] = "no-store"
    return answer


@blueprint.get("/api/fleet/events")
def follow() -> Response:
    """Stream the same: all of it first, then with the newer decisions and history, whenever there is news."""
    seats = tier().streams
    seats.take()
    answer = Response(_events(tier()), mimetype="text/event-stream")
    answer.call_on_close(seats.release)
    answer.headers.update({"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
    return answer


def _events(parts: Tier) -> Iterator[str]:
    yield f"retry: {RETRY_MS}\n\n"
    for view in parts.fleet.follow(PACE_S, SIGN_OF_LIFE_S):
        said = {**view, **_queues(parts.depths), "cost": parts.costs.view()}
        yield f"event: fleet\ndata: {json.dumps(said)}\n\n"


def _queues(depths: DepthReader) -> dict[str, Any]:
    known = depths.read()
    queue = asdict(known.queue) if known.queue else None
    return {"queue": queue, "dead_letters": known.dead_letters, "queue_problem": known.problem}
