"""What the settings make of the gate, and where the door stays shut."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from app.errors import ConfigurationError
from app.settings import Settings
from web.access.built import build, check_door


def of(**environment: str) -> Settings:
    return Settings.from_environment(environment)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_on_loopback_nobody_need_be_asked(host: str) -> None:
    with capture_logs() as logs:
        check_door(of(ELASTIQ_HOST=host))
    assert not logs


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "photos.example"])
def test_elsewhere_it_is_to_be_said_who_is_asked_or_that_nobody_is(host: str) -> None:
    with pytest.raises(ConfigurationError, match="ELASTIQ_AUTH"):
        check_door(of(ELASTIQ_HOST=host))
    with capture_logs() as logs:
        check_door(of(ELASTIQ_HOST=host, ELASTIQ_AUTH="keys"))
    assert not logs
    with capture_logs() as logs:
        check_door(of(ELASTIQ_HOST=host, ELASTIQ_AUTH="off"))
    assert [(told["event"], told["log_level"]) for told in logs] == [("nobody_is_asked", "warning")]


@pytest.mark.parametrize(
    ("environment", "missing"),
    [
        ({"ELASTIQ_AUTH": "basic"}, "ELASTIQ_AUTH_USERS"),
        ({"ELASTIQ_AUTH": "basic", "ELASTIQ_AUTH_USERS": "/nowhere"}, "ELASTIQ_AUTH_USERS"),
        ({"ELASTIQ_AUTH": "proxy"}, "ELASTIQ_AUTH_PROXIES"),
        ({"ELASTIQ_AUTH": "proxy", "ELASTIQ_AUTH_PROXIES": "balancer"}, "ELASTIQ_AUTH_PROXIES"),
        ({"ELASTIQ_AUTH": "keys,proxy"}, "ELASTIQ_AUTH_PROXIES"),
    ],
)
def test_a_way_that_lacks_what_it_needs_is_an_error_that_names_it(environment: dict[str, str], missing: str) -> None:
    with pytest.raises(ConfigurationError, match=missing):
        build(of(**environment), lambda id: None)
