"""The autoscaler as a process, asked by HTTP as Prometheus does; and its launches, counted."""

from __future__ import annotations

import urllib.request
from dataclasses import replace

import pytest
from prometheus_client.parser import text_string_to_metric_families

from app.errors import ConfigurationError
from app.local.cloud import free_port
from app.settings import ProcessSettings, Settings
from autoscaler.figures import Figures
from autoscaler.fleet import NotLaunched


class Fleet:
    """A fleet of nobody, in which every other launch brings one."""

    elastic = True

    def __init__(self) -> None:
        self.asked = 0

    def launch(self, count: int, token: str) -> list[object]:
        self.asked += 1
        if self.asked % 2:
            raise NotLaunched("no room")
        return [object()] * count


def test_launches_that_come_and_that_do_not_are_counted(config: Settings) -> None:
    figures = Figures(config, lambda: True)
    fleet = figures.counted(Fleet())  # type: ignore[arg-type]
    with pytest.raises(NotLaunched):
        fleet.launch(3, "a")
    assert len(fleet.launch(3, "b")) == 3
    assert figures.registry.get_sample_value("elastiq_launches_failed_total") == 1
    assert figures.registry.get_sample_value("elastiq_launched_total") == 3


def test_it_answers_on_a_port_of_its_own_with_what_it_sees_and_hears(config: Settings) -> None:
    port = free_port()
    figures = Figures(replace(config, process=ProcessSettings(metrics_port=port)), lambda: True)
    figures.serve()

    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        told = {family.name for family in text_string_to_metric_families(answer.read().decode())}
    assert {"elastiq_leading", "celery_worker_up", "elastiq_sqs_api_calls", "elastiq_image_wait_seconds"} <= told
    with pytest.raises(ConfigurationError, match="ELASTIQ_METRICS_PORT"):
        figures.serve()
