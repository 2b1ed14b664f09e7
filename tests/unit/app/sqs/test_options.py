"""The transport's options: their bounds, what a wrong one says, and that docs/transport.md lists them all."""

from __future__ import annotations

import re
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from kombu import Connection

from app.errors import ConfigurationError
from app.sqs.options import Options

DOC = Path(__file__).parents[4] / "docs" / "transport.md"
WHOLE = [
    ("visibility_timeout", 2, 43_200),
    ("wait_time_seconds", 0, 20),
    ("read_ahead", 0, 1000),
    ("max_receive_count", 1, 1000),
    ("retention", 60, 1_209_600),
]
FRACTIONAL = [("publish_timeout", 0.0, 3600.0), ("event_interval", 0.0, 60.0)]
BOUNDS: list[tuple[str, Any, Any]] = [*WHOLE, *FRACTIONAL]


@pytest.mark.parametrize(("name", "low", "high"), BOUNDS)
def test_a_value_at_its_bounds_is_taken(name: str, low: float, high: float) -> None:
    assert getattr(Options.of({name: low}), name) == low
    assert getattr(Options.of({name: high}), name) == high


@pytest.mark.parametrize(("name", "low", "high"), BOUNDS)
def test_a_value_beyond_its_bounds_is_an_error_that_names_it_and_them(name: str, low: float, high: float) -> None:
    for value in (low - 1, high + 1):
        with pytest.raises(ConfigurationError) as caught:
            Options.of({name: value})
        text = str(caught.value)
        assert all(part in text for part in (name, str(value), f"from {low} to {high}"))


@pytest.mark.parametrize(("name", "low", "high"), BOUNDS)
def test_a_value_that_is_no_number_is_an_error_that_names_it(name: str, low: float, high: float) -> None:
    for value in ("10", [10], True):
        with pytest.raises(ConfigurationError, match=re.escape(f"{name!r}] = {value!r} must be a")):
            Options.of({name: value})


@pytest.mark.parametrize("name", [name for name, _, _ in WHOLE])
def test_sqs_takes_whole_seconds_and_counts_alone(name: str) -> None:
    with pytest.raises(ConfigurationError, match="must be a whole number"):
        Options.of({name: 10.5 if name != "retention" else 100.5})


def test_what_is_not_told_or_none_is_as_ever() -> None:
    assert Options.of({}) == Options.of(dict.fromkeys(f.name for f in fields(Options))) == Options()


def test_options_of_kombus_and_of_celerys_are_left_to_them() -> None:
    assert Options.of({"is_secure": False, "polling_interval": 1, "max_retries": 3}) == Options()


def test_credentials_come_from_the_brokers_url_and_are_never_shown() -> None:
    options = Options.of({"credentials": ("not", "these")}, "AKIAEXAMPLE", "s3cret")

    assert options.credentials == ("AKIAEXAMPLE", "s3cret")
    assert "s3cret" not in repr(options)


@pytest.mark.parametrize(("user", "password"), [(None, None), ("", "")])
def test_without_keys_in_the_url_boto3s_chain_finds_the_credentials(user: str | None, password: str | None) -> None:
    assert Options.of({}, user, password).credentials is None


@pytest.mark.parametrize(
    ("queues", "says"),
    [
        ({"tasks": {}}, r"predefined_queues\['tasks'\] has no 'url'"),
        ({"tasks": {"url": ""}}, r"predefined_queues\['tasks'\] has no 'url'"),
        ({"tasks.fifo": {"url": "https://sqs/1/tasks"}}, "must both end in .fifo, or neither"),
        ({"tasks": {"url": "https://sqs/1/tasks.fifo"}}, "must both end in .fifo, or neither"),
    ],
)
def test_a_predefined_queue_without_a_fitting_url_is_an_error(queues: dict[str, dict[str, str]], says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        Options.of({"predefined_queues": queues})


def test_predefined_queues_with_fitting_urls_are_taken() -> None:
    queues = {"tasks": {"url": "https://sqs/1/tasks"}, "orders.fifo": {"url": "https://sqs/1/orders.fifo"}}

    assert Options.of({"predefined_queues": queues}).predefined_queues == queues


def test_a_wrong_option_is_met_where_the_application_connects() -> None:
    app = Celery("wrong", broker="sqs://", set_as_current=False)
    app.conf.update(
        broker_transport="app.sqs:Transport",
        broker_transport_options={"visibility_timeout": 0},
        task_ignore_result=True,
    )

    with pytest.raises(ConfigurationError, match="visibility_timeout"):
        app.send_task("noop", retry=False)


def documented() -> dict[str, str]:
    """Return the options that the table in docs/transport.md lists, with what it says each is unless told."""
    return dict(re.findall(r"^\| `(\w+)` \| (?:`([^`]*)`)? *\|", DOC.read_text(), re.MULTILINE))


def test_the_document_lists_every_option_with_its_default() -> None:
    expected = {}
    for option in fields(Options):
        value = option.default if option.default_factory is MISSING else option.default_factory()
        if option.name != "credentials":  # part of the broker's URL, no option
            expected[option.name] = "" if value in (None, "", {}) else str(value)

    assert documented() == expected


@pytest.mark.parametrize(("user", "password"), [("AKIAEXAMPLE", None), (None, "s3cret")])
def test_half_a_key_in_the_url_is_refused_and_not_shown(user: str | None, password: str | None) -> None:
    with pytest.raises(ConfigurationError, match="give both, or neither") as refused:
        Options.of({}, user, password)
    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "given", "endpoint"),
    [
        ("sqs://", {}, None),
        ("sqs://key:secret@127.0.0.1:9324", {}, "http://127.0.0.1:9324"),
        ("sqs://key:secret@elastic-mq:9324//", {"is_secure": True}, "https://elastic-mq:9324"),
        ("sqs://localhost:4566", {"endpoint_url": "http://localhost:4566"}, "http://localhost:4566"),
        ("sqs://", {"endpoint_url": "http://localhost:4566"}, "http://localhost:4566"),
    ],
)
def test_an_address_in_the_url_is_where_sqs_is(url: str, given: dict[str, Any], endpoint: str | None) -> None:
    connection = Connection(url, transport="app.sqs:Transport", transport_options=given)
    assert connection.transport.options.endpoint_url == endpoint


def test_a_url_and_an_option_that_contradict_each_other_are_refused() -> None:
    given = {"endpoint_url": "http://localhost:1"}
    with pytest.raises(ConfigurationError, match="leave one out"):
        Connection("sqs://localhost:2", transport="app.sqs:Transport", transport_options=given).transport  # noqa: B018
