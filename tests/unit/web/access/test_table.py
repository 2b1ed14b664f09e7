"""Each route has a scope."""

from __future__ import annotations

import pytest

from app.access.scopes import OPERATE, SUBMIT
from app.errors import ConfigurationError
from app.settings import Settings
from web.access.table import OPEN, SCOPE_OF, check
from web.application import create_app

OPEN_TO_ALL = {"/healthz", "/readyz", "/openapi.json", "/api", "/sign-in", "/sign-in/done", "/sign-out"}


def test_an_application_with_a_route_that_has_no_scope_does_not_start() -> None:
    with pytest.raises(ConfigurationError, match=r"no scope is said of api\.secret"):
        check([*SCOPE_OF, "api.secret"])


def test_whoever_changes_something_may_submit_and_who_looks_at_the_system_operates() -> None:
    rules = list(create_app(Settings()).url_map.iter_rules())
    orders = [rule for rule in rules if (rule.methods or set()) & {"POST", "PUT", "PATCH", "DELETE"}]
    assert {SCOPE_OF[rule.endpoint] for rule in orders if rule.rule not in OPEN_TO_ALL} == {SUBMIT}
    for rule in rules:
        if rule.rule.startswith(("/monitor", "/metrics", "/api/fleet")):
            assert SCOPE_OF[rule.endpoint] == OPERATE
        if SCOPE_OF[rule.endpoint] == OPEN:
            assert rule.rule.startswith("/static/") or rule.rule in OPEN_TO_ALL
