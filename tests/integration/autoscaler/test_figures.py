"""The autoscaler as a process, asked by HTTP as Prometheus does; and its launches, counted."""

from __future__ import annotations

import urllib.request
from dataclasses import replace

import pytest
from prometheus_client.parser import text_string_to_metric_families

from app.announcements import Swept
from app.errors import ConfigurationError
from app.local.cloud import free_port
from app.settings import ProcessSettings, Settings
from autoscaler.figures import Figures
from autoscaler.values import Launches
from tests.support.fleet import decision


def test_what_came_of_launches_is_told_with_each_decision(config: Settings) -> None:
    figures = Figures(config, lambda: True)
    figures.decided(decision(), Launches(came=3, failed=1), {})
    assert figures.registry.get_sample_value("elastiq_launches_failed_total") == 1
    assert figures.registry.get_sample_value("elastiq_launched_total") == 3
    assert figures.registry.get_sample_value("elastiq_instances_desired") == 2


def test_what_waits_is_told_of_each_queue_apart(config: Settings) -> None:
    figures = Figures(config, lambda: True)
    figures.decided(decision(), Launches(), {"tasks": 3, "tasks-bulk": 40})
    told = [
        figures.registry.get_sample_value("celery_queue_length", {"queue_name": q}) for q in ("tasks", "tasks-bulk")
    ]
    assert told == [3, 40]


def test_it_tells_of_completions_that_nobody_took(config: Settings) -> None:
    figures = Figures(config, lambda: True)
    figures.swept(Swept(untold=3))
    assert figures.registry.get_sample_value("elastiq_completions_untold") == 3


def test_it_answers_on_a_port_of_its_own_with_what_it_sees_and_hears(config: Settings) -> None:
    port = free_port()
    figures = Figures(replace(config, process=ProcessSettings(metrics_port=port)), lambda: True)
    figures.serve()

    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        told = {family.name for family in text_string_to_metric_families(answer.read().decode())}
    assert {"elastiq_leading", "celery_worker_up", "elastiq_sqs_api_calls", "elastiq_image_wait_seconds"} <= told
    with pytest.raises(ConfigurationError, match="ELASTIQ_METRICS_PORT"):
        figures.serve()
