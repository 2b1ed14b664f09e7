"""The Flask application, put together."""

from __future__ import annotations

import time
from collections.abc import Callable

from flask import Flask
from prometheus_client import CollectorRegistry
from werkzeug.middleware.proxy_fix import ProxyFix

from app.aws.calls import calls
from app.aws.depth import QueueReader
from app.batches.promises import Promises
from app.batches.records import Records
from app.batches.telling import Telling
from app.dispatch import Dispatch
from app.process.address import is_loopback
from app.settings import Settings
from app.sources.images import Images
from app.sources.progress import Progresses
from app.sqs.metrics import Metrics
from app.storage import Storage
from app.telemetry.workload import Workload
from tasks.celery import make_app
from web.access import table
from web.access.backlog import Backlog
from web.access.built import build
from web.access.limits import Limits, client
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
from web.fleet.summons import Summons
from web.http import hearing, identity, problems, security
from web.http.seats import Seats
from web.http.streams import Streams
from web.routes import (
    batches,
    description,
    direct,
    health,
    images,
    listing,
    metrics,
    monitor,
    orders,
    pages,
    results,
    sign_in,
    stored,
    uploads,
)
from web.routes import course as compat
from web.sources.retrying import Retrying
from web.sources.runner import Runner
from web.tier import EXTENSION, Tier
from web.uploads.intake import Intake
from web.uploads.once import Once
from web.uploads.publish import Publisher
from web.uploads.staging import Staging


def create_app(settings: Settings) -> Flask:
    """Return the application; it starts no thread before it is asked something.

    Args:
        settings: the buckets, the queue and the limits; whatever the environment says beside them does not count.
    """
    app = Flask("web")
    app.json.sort_keys = False  # type: ignore[attr-defined]  # Flask's own provider has it
    # Let browsers ask each time whether a static file is still the same: an update is seen at once.
    app.config["SEND_FILE_MAX_AGE_DEFAULT"] = 0
    app.extensions[EXTENSION] = parts = _tier(settings)
    metrics.expose(parts)
    identity.install(app)
    problems.install(app)
    security.install(app, _is_ours(settings), parts.staging.origin if parts.staging else "")
    if parts.provider:
        parts.provider.install(app)
    build(settings, parts.records.find, parts.limits).install(app)
    parts.limits.install(app)
    hearing.install(app, Seats(max(1, _page(settings.web.threads) // 2), "too many bodies are left to be read"))
    if hops := settings.web.trusted_proxies:
        proxied = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops, x_prefix=hops)
        app.wsgi_app = proxied  # type: ignore[method-assign]  # Flask's own way to wrap an application
    add_routes(app)
    table.check(app.view_functions)
    return app


def add_routes(app: Flask) -> None:
    """Have ``app`` answer every path that this tier has."""
    parts = (batches, compat, description, health, images, listing, metrics, monitor, orders, pages, results, sign_in)
    for part in (*parts, stored, uploads, direct):
        app.register_blueprint(part.blueprint)


def _is_ours(settings: Settings) -> Callable[[str], bool]:
    """Return what says whether this server may be called by a name.

    Where nobody is asked who he is and only this machine is let in, a page of any site could otherwise have its own
    name lead here, and read everything.
    """
    named = settings.access.hosts.lower().split(",")
    guarded = is_loopback(settings.web.host) and not settings.access.ways and not settings.web.trusted_proxies
    if settings.access.hosts or guarded:
        return lambda name: is_loopback(name) or name.lower() in named
    return lambda name: True


def _tier(settings: Settings) -> Tier:
    celery = make_app(settings)
    storage = Storage(settings, connections=64)
    dispatch = Dispatch(celery, "web")
    telling = Telling(celery, dispatch)

    def changed(id: str) -> None:
        feed.changed(id)
        telling.changed(id)

    records = Records(settings, changed)
    feed = Feed(storage, record=records.read)
    fleet = FleetFeed(listens=settings.queue.listen, target_s=settings.autoscaler.target_s)
    counts, registry = Metrics(), CollectorRegistry()
    summons = Summons(dispatch.send, fleet.unseen)
    backlog = Backlog(time.monotonic)
    publisher = Publisher(celery, summons.send, settings.queue.bulk, settings.web.interactive_images)
    openers, previews, readers, bodies, waiters = _seats(settings.web.threads)
    queue, progresses = QueueReader(settings), Progresses(settings)
    runner = Runner(settings, records, progresses, publisher.publish, lambda: queue.depth().total)
    orders_ = Orders(settings, storage, records, telling, publisher.publish)
    return Tier(
        settings=settings,
        celery=celery,
        storage=storage,
        records=records,
        runner=runner,
        sources=Retrying(storage, progresses, orders_.cancelling, publisher.publish, runner.begin),
        telling=telling,
        orders=orders_,
        queue=queue,
        index=Index(storage.batches),
        once=Once(Promises(settings)),
        feed=feed,
        current_batch=CurrentBatch(records.make),
        fleet=fleet,
        depths=DepthReader(settings),
        counts=counts,
        registry=registry,
        costs=Costs(calls.made, dispatch.send),
        lives=Lives(storage),
        workload=Workload(registry, settings.queue.name, settings.autoscaler.target_s),
        intake=Intake(settings.images, storage, feed, publisher.publish, counts),
        previews=Previews(Images(settings, storage, records), settings.images.max_pixels, previews, storage.outcome),
        streams=Streams(settings.web.streams, settings.limits.streams if settings.access.ways else 0, client),
        backlog=backlog,
        limits=Limits(settings.limits, backlog, on=bool(settings.access.ways)),
        staging=Staging(settings) if settings.web.direct_origins else None,
        provider=Provider(settings.access) if "oidc" in settings.access.ways else None,
        openers=openers,
        readers=readers,
        bodies=bodies,
        waiters=waiters,
    )


def _seats(threads: int) -> tuple[Seats, Seats, Seats, Seats, Seats]:
    """Return the seats of those who open streams, draw previews, read batches, send bodies, and wait for a label.

    The threads beyond these serve the page, whatever the others do. Readers are few: those of one batch share the work
    anyway. Who waits for a label has sent a body before, and leaves some seats to uploads.
    """
    openers, previews = threads // 2 - threads // 32, max(1, threads // 20)
    readers, others = max(1, threads // 32), _page(threads)
    bodies = threads - openers - previews - readers - others
    return (
        Seats(openers, "too many event streams are being opened; poll GET /api/batches/<id>, or try again"),
        Seats(previews, "too many previews are being drawn; try again"),
        Seats(readers, "too many batches are being read; try again"),
        Seats(bodies, "too many uploads are under way; try again"),
        Seats(
            max(1, bodies - max(1, threads // 64)),
            "too many requests wait for a label already; try again, or use POST /api/batches",
        ),
    )


def _page(threads: int) -> int:
    """Return how many threads are the page's alone; at most half of them read what is left of a refused body."""
    return max(1, threads // 20)
