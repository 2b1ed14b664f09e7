"""What the web tier's routes work with: one of each, made with the application."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from flask import current_app

from app import aws
from app.settings import Settings
from app.storage import Storage
from web.intake import Intake
from web.live import Feed
from web.seats import Seats

EXTENSION = "elastiq"


@dataclass(frozen=True, slots=True)
class Tier:
    """The parts of one web process.

    Attributes:
        streams: the event streams that may be open at once.
        waiters: the requests that may wait for a label at once.
    """

    settings: Settings
    storage: Storage
    sqs: aws.Client
    feed: Feed
    intake: Intake
    streams: Seats
    waiters: Seats


def tier() -> Tier:
    """Return the parts of the application that serves the current request."""
    return cast(Tier, current_app.extensions[EXTENSION])
