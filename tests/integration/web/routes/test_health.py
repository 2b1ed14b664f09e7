"""Health: whether a process lives, and what of that which it needs does not answer."""

from __future__ import annotations

from dataclasses import replace

import pytest
from flask.testing import FlaskClient

from app.local import EmbeddedCloud
from app.settings import Settings
from tests.support.fault_proxy import FaultProxy
from web.application import create_app

DEEP = ("/readyz", "/healthz?deep=1")


def test_health_says_that_it_lives_and_readiness_that_all_answers(client: FlaskClient) -> None:
    assert client.get("/healthz").get_json() == {"status": "ok"}
    for path in DEEP:
        answer = client.get(path)
        assert answer.status_code == 200
        assert answer.get_json()["checks"] == {"input_bucket": "ok", "output_bucket": "ok", "queue": "ok"}


@pytest.mark.parametrize("path", DEEP)
def test_a_queue_and_a_bucket_that_are_missing_are_named_and_what_is_there_is_not(config: Settings, path: str) -> None:
    missing = replace(
        config,
        queue=replace(config.queue, name="no-such-queue"),
        buckets=replace(config.buckets, input="no-such-bucket-here"),
    )
    client = create_app(missing).test_client()
    assert client.get("/healthz").status_code == 200
    answer = client.get(path)
    assert answer.status_code == 503
    problem = answer.get_json()
    assert problem["checks"]["output_bucket"] == "ok"
    assert "no-such-queue" in problem["checks"]["queue"]
    assert "no-such-bucket-here" in problem["checks"]["input_bucket"]
    assert problem["detail"] == f"{problem['checks']['input_bucket']}; {problem['checks']['queue']}"


def test_while_nothing_answers_it_lives_all_the_same_and_asks_nobody(config: Settings, cloud: EmbeddedCloud) -> None:
    with FaultProxy(cloud.endpoint_url) as proxy:
        client = create_app(replace(config, aws=replace(config.aws, endpoint_url=proxy.endpoint_url))).test_client()
        proxy.fault("GetQueueUrl", "403")
        assert client.get("/healthz").status_code == 200
        assert not proxy.calls
        assert client.get("/readyz").status_code == 503
