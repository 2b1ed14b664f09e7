"""What of a body is left when its request is answered: read a while, for the client to see it, or given up."""

from __future__ import annotations

import structlog
from flask import Flask, Response

from web.http.bodies import READ_BYTES, has_body, raw
from web.http.gunicorn_internals import UNREADABLE, connection, end_after_this_answer
from web.http.pace import PacedSocket
from web.http.problems import Busy
from web.http.seats import Seats

log = structlog.get_logger(__name__)

# What is still read of a request that is answered: a client that is cut off while it sends never sees why.
HEARD_OUT_BYTES = 64_000_000
# And how long it is waited for in all, in seconds.
HEARD_OUT_S = 5.0


def install(app: Flask, seats: Seats) -> None:
    """Have ``app`` read what is left of bodies, of as many at once as ``seats`` has, and of the others nothing."""

    def hear_out(answer: Response) -> Response:
        if has_body() and not _is_read(seats):
            # The next request would begin somewhere in it: there is none.
            end_after_this_answer()
        return answer

    app.after_request(hear_out)


def _is_read(seats: Seats) -> bool:
    """Read on; return whether the body has ended."""
    if isinstance(client := connection(), PacedSocket):
        client.wait_at_most(HEARD_OUT_S)
    heard = 0
    try:
        with seats.taken():
            while heard < HEARD_OUT_BYTES:
                data = raw().read(READ_BYTES)
                if not data:
                    return True
                heard += len(data)
    except Busy:
        pass
    except UNREADABLE as err:
        log.info("client_gone", reason=str(err))
    return False
