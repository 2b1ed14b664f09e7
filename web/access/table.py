"""The scope that each route asks for, by endpoint. The application does not start with a route that has none."""

from __future__ import annotations

from collections.abc import Iterable

from app.access.scopes import OPERATE, READ, SUBMIT
from app.errors import ConfigurationError

# For who says nothing of himself too.
OPEN = "open"

SCOPE_OF = {
    "static": OPEN,
    "health.alive": OPEN,
    "health.ready": OPEN,
    "description.read": OPEN,
    "description.page": OPEN,
    "sign_in.begin": OPEN,
    "sign_in.finish": OPEN,
    "sign_in.end": OPEN,
    "pages.index": READ,
    "pages.batch": READ,
    "compat.classify": SUBMIT,
    "uploads.create": SUBMIT,
    "uploads.add": SUBMIT,
    "api.read": READ,
    "api.cost": READ,
    "api.follow": READ,
    "results.table": READ,
    "results.one_object": READ,
    "results.lines": READ,
    "listing.batches": READ,
    "images.picture": READ,
    "images.life": READ,
    "orders.cancel": SUBMIT,
    "orders.retry": SUBMIT,
    "orders.delete": SUBMIT,
    "stored.stored": READ,
    "direct.invite": SUBMIT,
    "direct.complete": SUBMIT,
    "monitor.page": OPERATE,
    "monitor.read": OPERATE,
    "monitor.follow": OPERATE,
    "metrics.read": OPERATE,
}


def check(endpoints: Iterable[str]) -> None:
    """Refuse an application that has a route without a scope.

    Raises:
        ConfigurationError: one has none.
    """
    if missing := sorted(set(endpoints) - SCOPE_OF.keys()):
        raise ConfigurationError(f"no scope is said of {', '.join(missing)}; give each one in web/access/table.py")
