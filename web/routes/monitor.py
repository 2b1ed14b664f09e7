"""The monitor: what the fleet and the queues do, as a page, as JSON, and as an event stream."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import asdict
from typing import Any

from flask import Blueprint, Response, jsonify, make_response, render_template

from web.batches.stream import RETRY_MS
from web.fleet.depths import Depths
from web.openapi import shapes
from web.openapi.operations import EVENTS, PAGE, Answer, operation
from web.tier import Tier, tier

PACE_S, SIGN_OF_LIFE_S = 1.0, 5.0

blueprint = Blueprint("monitor", __name__)


@blueprint.get("/monitor")
@operation({200: Answer("The page.", media=(PAGE,))})
def page() -> Response:
    """Return the page; what it shows comes through the API."""
    answer = make_response(render_template("monitor.html"))
    answer.headers["Cache-Control"] = "no-cache"
    return answer


@blueprint.get("/api/fleet")
@operation({200: Answer("The fleet.", shapes.Fleet)})
def read() -> Response:
    """Return the fleet, the decisions about it and the queues, as far as they are known; never an error."""
    known = tier().depths.read()
    answer = jsonify({**tier().fleet.view(), **_queues(known), "cost": tier().costs.view()})
    answer.headers["Cache-Control"] = "no-store"
    return answer


@blueprint.get("/api/fleet/events")
@operation({200: Answer("The fleet, and what is new of it.", media=(EVENTS,), events={"fleet": shapes.Fleet})})
def follow() -> Response:
    """Stream the same: all of it first, then with the newer decisions and history, whenever there is news."""
    return tier().streams.answer(_events(tier()))


async def _events(parts: Tier) -> AsyncGenerator[bytes, None]:
    yield b"retry: %d\n\n" % RETRY_MS
    async with aclosing(parts.fleet.follow(PACE_S, SIGN_OF_LIFE_S)) as views:
        async for view in views:
            if (known := parts.depths.known()) is None:
                known = await asyncio.to_thread(parts.depths.read)
            said = {**view, **_queues(known), "cost": parts.costs.view()}
            yield f"event: fleet\ndata: {json.dumps(said)}\n\n".encode()


def _queues(known: Depths) -> dict[str, Any]:
    queue = asdict(known.queue) if known.queue else None
    return {"queue": queue, "dead_letters": known.dead_letters, "queue_problem": known.problem}
