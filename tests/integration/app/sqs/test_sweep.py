"""The sweep of listeners' queues: what a killed process leaves goes, what lives stays."""

from __future__ import annotations

import signal
import time

from app.sqs.gateway import Gateway
from app.sqs.options import Options
from app.sqs.queues import SEEN
from app.sqs.sweep import GONE_S, sweep_listeners
from tests.support.workers import Bench


def test_the_queue_of_a_killed_worker_is_swept_and_that_of_a_living_one_is_not(bench: Bench) -> None:
    prefix = f"{bench.name}-on-"
    options = {"listener_prefix": prefix}
    killed = bench.ready_worker(options=dict(options))
    (left,) = bench.queues(prefix)
    bench.ready_worker(options=dict(options))
    (living,) = set(bench.queues(prefix)) - {left}
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    gateway = Gateway(Options(endpoint_url=bench.endpoint_url, topic=f"{bench.name}-fanout"))
    topic = gateway.fanout.topic_arn
    assert sweep_listeners(gateway.api, prefix, topic) == [left]
    assert bench.queues(prefix) == [living]
    heard = gateway.api.sns("list_subscriptions_by_topic", TopicArn=topic)["Subscriptions"]
    assert [subscription["Endpoint"].rsplit(":", 1)[-1] for subscription in heard] == [living]
    gateway.close()


def test_a_queue_whose_owner_is_elsewhere_goes_once_it_has_long_been_silent(bench: Bench) -> None:
    gateway = Gateway(Options(endpoint_url=bench.endpoint_url))
    tags = {"elastiq:owner": "another-host:1", SEEN: str(int(time.time()))}
    made = gateway.api.sqs("create_queue", QueueName=f"{bench.name}-on-x", tags=tags)
    assert sweep_listeners(gateway.api, f"{bench.name}-on-", None) == []
    gateway.api.sqs("tag_queue", QueueUrl=made["QueueUrl"], Tags={SEEN: str(int(time.time() - GONE_S - 1))})
    assert sweep_listeners(gateway.api, f"{bench.name}-on-", None) == [f"{bench.name}-on-x"]
    gateway.close()


def test_a_queue_of_the_prefix_that_is_no_listeners_is_left_alone(bench: Bench) -> None:
    gateway = Gateway(Options(endpoint_url=bench.endpoint_url))
    gateway.api.sqs("create_queue", QueueName=f"{bench.name}-on-work")
    assert sweep_listeners(gateway.api, f"{bench.name}-on-", None) == []
    gateway.close()
