"""The metrics, read by Prometheus's own parser from a real web process that hears real events."""

from __future__ import annotations

from dataclasses import replace

from flask.testing import FlaskClient
from prometheus_client.parser import text_string_to_metric_families

from app import aws
from app.announcements import (
    ImageClassified,
    ImageFailed,
    WorkerHeartbeat,
)
from app.aws.queues import dead_letter_queue
from app.domain import Classification, Failure, Life, Prediction
from app.settings import Settings
from tests.support import photographs
from tests.support.fleet import Announcer, decision
from tests.support.waiting import wait_for
from tests.support.web import Site
from web.application import create_app
from web.tier import Tier

CAT = photographs.chelsea()


def metrics(site: Site) -> dict[str, float]:
    answer = site.get("/metrics")
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    return samples(answer.data.decode())


def samples(text: str) -> dict[str, float]:
    """Return the samples by name and labels, as Prometheus's own parser reads them."""
    found = [sample for family_ in text_string_to_metric_families(text) for sample in family_.samples]
    names = ["".join([sample.name, *(f" {name}={value}" for name, value in sample.labels.items())]) for sample in found]
    assert len(names) == len(set(names))
    return dict(zip(names, (sample.value for sample in found), strict=True))


def test_metrics_count_what_the_process_did_and_tell_what_it_knows(heard: Site, announce: Announcer) -> None:
    id = heard.upload(("a.png", CAT), ("b.png", CAT), ("text.jpg", b"no photograph"))["id"]
    answer = heard.post("/", fields={"myfile": ("empty.jpg", b"")})
    assert answer.status == 422
    announce.say(ImageClassified(Classification.of(f"{id}/a.png", [Prediction("tabby", 0.9)], "m")))
    announce.say(ImageFailed(Failure.of(f"{id}/b.png", "cut short")))
    announce.say(decision(breaker_open=True, over_budget=True, spot_resting=True, spent_h=24.5, budget_h=24.0))
    wait_for(lambda: heard.fleet()["decision"], 20)
    told = metrics(heard)
    assert told["elastiq_images_accepted_total"] == 2
    assert told["elastiq_images_rejected_total"] == 2
    assert told["elastiq_images_classified_total"] == told["elastiq_images_failed_total"] == 1
    assert told["elastiq_sqs_sent_total"] == 2
    assert told["elastiq_sqs_received_total"] > 0
    assert told["elastiq_sqs_leases_lost_total"] == 0
    assert told["elastiq_sqs_in_flight"] >= 0
    assert "elastiq_sqs_in_flight_total" not in told
    assert told["elastiq_sqs_api_calls_total action=send_message_batch"] == 1
    assert told["elastiq_queue_messages state=visible"] == 2
    assert told["elastiq_instances state=running"] == told["elastiq_instances state=draining"] == 1
    assert told["elastiq_instances_desired"] == 2
    assert told["elastiq_autoscaler_heard"] == 1
    assert [told[f"elastiq_{brake}"] for brake in ("breaker_open", "over_budget", "spot_resting")] == [1, 1, 1]
    assert (told["elastiq_spent_instance_hours"], told["elastiq_budget_instance_hours"]) == (24.5, 24)
    assert told["elastiq_oldest_image_seconds"] == 12.5
    assert told["elastiq_dead_letters"] == 0
    queue = heard.environment["ELASTIQ_QUEUE"]
    sent = f"celery_task_sent_total hostname=generic name=tasks.classify queue_name={queue}"
    assert told[sent] == 2
    assert told[f"celery_queue_length queue_name={queue}"] == 2
    assert told[f"celery_queue_length queue_name={queue}-dead"] == 0


def test_what_workers_say_is_told_under_the_names_of_celery_exporter(heard: Site, announce: Announcer) -> None:
    life = Life("i-0aaa", "tasks.classify", 1, stored_at=104.0, queued_at=100.0, received_at=103.0)
    announce.send("task-received", "i-0aaa@host", uuid="t1", name="tasks.classify")
    announce.send("task-succeeded", "i-0aaa@host", uuid="t1", runtime=0.2)
    announce.say(ImageClassified(Classification.of("b/a.png", [Prediction("tabby", 0.9)], "m"), life), "i-0aaa@host")
    announce.say(WorkerHeartbeat(3, 7), "i-0aaa@host")
    wait_for(lambda: metrics(heard)["celery_worker_up hostname=worker-1"] == 1, 20)

    told = metrics(heard)
    labels = f"hostname=generic name=tasks.classify queue_name={heard.environment['ELASTIQ_QUEUE']}"
    assert told[f"celery_task_received_total {labels}"] == told[f"celery_task_succeeded_total {labels}"] == 1
    assert told[f"celery_task_runtime_sum {labels}"] == 0.2
    assert told[f"celery_task_queue_wait_time_sum {labels}"] == 3
    assert told["elastiq_image_wait_seconds_sum"] == 4
    assert told["celery_worker_tasks_active hostname=worker-1"] == 3
    assert not [name for name in told if "i-0aaa" in name]


def test_nothing_is_told_of_a_fleet_that_was_not_heard_and_nothing_kept_by_a_browser(client: FlaskClient) -> None:
    answer = client.get("/metrics")
    told = samples(answer.text)
    assert answer.headers["Cache-Control"] == "no-store"
    assert (told["elastiq_autoscaler_heard"], told["elastiq_queue_readable"]) == (0, 1)
    assert not [name for name in told if name.startswith(("elastiq_instances", "elastiq_oldest"))]


def test_figures_of_queues_that_cannot_be_read_are_left_out_and_that_is_said(config: Settings) -> None:
    missing = replace(config, queue=replace(config.queue, name="no-such-queue"))
    told = samples(create_app(missing).test_client().get("/metrics").text)
    assert told["elastiq_queue_readable"] == 0
    assert not [name for name in told if name.startswith(("elastiq_queue_messages", "elastiq_dead_letters"))]


def test_open_streams_are_counted(client: FlaskClient, tier: Tier) -> None:
    with tier.streams._seats.taken():
        assert samples(client.get("/metrics").text)["elastiq_event_streams_open"] == 1
    assert samples(client.get("/metrics").text)["elastiq_event_streams_open"] == 0


def test_dead_letters_are_counted(client: FlaskClient, config: Settings) -> None:
    sqs = aws.client("sqs", config.aws)
    url = sqs.get_queue_url(QueueName=dead_letter_queue(config.queue.name))["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="x")
    assert samples(client.get("/metrics").text)["elastiq_dead_letters"] == 1
