"""What the web tier's routes work with: one of each, made with the application."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from celery import Celery
from flask import current_app
from prometheus_client import CollectorRegistry

from app.aws.depth import QueueReader
from app.batches.records import Records
from app.batches.telling import Telling
from app.settings import Settings
from app.sqs.metrics import Metrics
from app.storage import Storage
from app.telemetry.workload import Workload
from web.access.backlog import Backlog
from web.access.limits import Limits
from web.access.oidc import Provider
from web.batches.current import CurrentBatch
from web.batches.feed import Feed
from web.batches.index import Index
from web.batches.life import Lives
from web.batches.orders import Orders
from web.batches.preview import Previews
from web.fleet.costs import Costs
from web.fleet.depths import DepthReader
from web.fleet.feed import FleetFeed
from web.http.seats import Seats
from web.http.streams import Streams
from web.sources.retrying import Retrying
from web.sources.runner import Runner
from web.uploads.intake import Intake
from web.uploads.once import Once
from web.uploads.staging import Staging

EXTENSION = "elastiq"


@dataclass(frozen=True, slots=True)
class Tier:
    """The parts of one web process.

    Attributes:
        celery: the application that images are published through and events are heard by.
        index: all batches, the newest first.
        once: what clients want done once, however often they ask.
        current_batch: the batch of the images that come one at a time.
        records: what is known of batches beside their images.
        runner: goes on with batches whose images are in S3 already.
        sources: tries again what failed of those.
        telling: tells other processes of changes.
        orders: what can be done to batches.
        counts: what this process has done; `web.routes.metrics` tells it.
        registry: all that Prometheus is told.
        workload: what workers say, for Prometheus.
        costs: what images cost.
        lives: what was done with one image, and when.
        streams: the event streams that are open.
        openers: the requests that may look at once whether there is a batch to follow.
        readers: the requests that may look a batch up in its buckets at once.
        bodies: the requests whose bodies may be read at once, and those that then wait for a label.
        waiters: the requests among them that may wait for a label.
        backlog: how many images of each caller wait.
        limits: how much one caller may ask for.
        staging: the files that clients put into the input bucket themselves, where they may.
        provider: with whom people sign in, if they do.
    """

    settings: Settings
    celery: Celery
    storage: Storage
    records: Records
    runner: Runner
    sources: Retrying
    telling: Telling
    orders: Orders
    queue: QueueReader
    index: Index
    once: Once
    feed: Feed
    current_batch: CurrentBatch
    fleet: FleetFeed
    depths: DepthReader
    counts: Metrics
    registry: CollectorRegistry
    workload: Workload
    costs: Costs
    lives: Lives
    intake: Intake
    previews: Previews
    streams: Streams
    openers: Seats
    readers: Seats
    bodies: Seats
    waiters: Seats
    backlog: Backlog
    limits: Limits
    staging: Staging | None
    provider: Provider | None

    def close(self) -> None:
        """End every stream and every wait."""
        self.runner.stop()
        self.feed.close()
        self.fleet.close()


def tier() -> Tier:
    """Return the parts of the application that serves the current request."""
    return cast(Tier, current_app.extensions[EXTENSION])
