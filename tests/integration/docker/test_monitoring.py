"""docker/monitoring: its rules by promtool and by a real Prometheus on a real web tier; what the dashboard asks."""

from __future__ import annotations

import copy
import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
import urllib3
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

from app import aws
from app.announcements import ImageClassified
from app.aws.queues import dead_letter_queue
from app.domain import Classification, FleetCost, Life, Prediction
from app.local.cloud import free_port
from app.settings import ProcessSettings
from autoscaler.figures import Figures
from autoscaler.values import Launches
from tests.support.fleet import announcer, decision, wait_for_listener
from tests.support.waiting import wait_for
from tests.support.web import ROOT, Site

FOLDER = ROOT / "docker" / "monitoring"
RULES = (FOLDER / "rules.yml").read_text()
DASHBOARD = json.loads((FOLDER / "grafana" / "dashboards" / "elastiq.json").read_text())
ALERTS = set(re.findall(r"- alert: (\w+)", RULES))
TIERS = ("web", "autoscaler")
CONFIG = """
global: {scrape_interval: 1s, evaluation_interval: 500ms}
rule_files: [rules.yml]
scrape_configs:
  - job_name: elastiq
    static_configs:
      - {targets: ["WEB"], labels: {tier: web}}
      - {targets: ["AUTOSCALER"], labels: {tier: autoscaler}}
"""


def tool(name: str) -> str:
    """Return where one of Prometheus's programs is; without it, skip the test, or fail where all have to run."""
    found = shutil.which(name)
    if found is None:
        missing = f"{name} is missing: apt-get install prometheus"
        pytest.fail(missing) if os.environ.get("CI") == "true" else pytest.skip(missing)
    return found


def test_each_rule_fires_when_it_should_and_at_no_other_time() -> None:
    done = subprocess.run(
        [tool("promtool"), "test", "rules", str(FOLDER / "rules_test.yml")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@dataclass(frozen=True)
class Watched:
    """A web tier and an autoscaler's figures, with a Prometheus that reads both."""

    site: Site
    figures: Figures
    url: str

    def ask(self, path: str, **parameters: str) -> Any:
        answer = urllib3.request("GET", f"{self.url}/api/v1/{path}?{urlencode(parameters)}", retries=False)
        return answer.json()

    def firing(self) -> set[str]:
        found = self.ask("alerts")["data"]["alerts"]
        return {alert["labels"]["alertname"] for alert in found if alert["state"] == "firing"}

    def metrics(self) -> set[str]:
        return set(self.ask("label/__name__/values")["data"])


@pytest.fixture
def watched(serve: Callable[..., Site], tmp_path: Path) -> Iterator[Watched]:
    program, site, (own, theirs) = tool("prometheus"), serve(), (free_port(), free_port())
    wait_for_listener(site.config)
    figures = Figures(replace(site.config, process=ProcessSettings(metrics_port=theirs)), lambda: True)
    figures.serve()
    # The same rules, in seconds rather than minutes, and with a limit that ten messages reach.
    hurried = re.sub(r"for: \d+m", "for: 0s", RULES).replace("[5m]", "[5s]").replace("120000", "10")
    (tmp_path / "rules.yml").write_text(hurried)
    config = CONFIG.replace("WEB", urlsplit(site.url).netloc).replace("AUTOSCALER", f"127.0.0.1:{theirs}")
    (tmp_path / "prometheus.yml").write_text(config)
    command = [program, f"--config.file={tmp_path}/prometheus.yml", f"--storage.tsdb.path={tmp_path}/data",
               f"--web.listen-address=127.0.0.1:{own}"]  # fmt: skip
    with (tmp_path / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    running = Watched(site, figures, f"http://127.0.0.1:{own}")

    def scraped() -> bool:
        assert process.poll() is None, (tmp_path / "prometheus.log").read_text()
        try:
            # Of each tier on its own: what counts up is seen to do so only by who has read it before.
            return all(_value(running, f'elastiq_images_late_total{{tier="{tier}"}}') == 0 for tier in TIERS)
        except (urllib3.exceptions.HTTPError, ValueError):
            return False

    try:
        wait_for(scraped, 60)
        yield running
    finally:
        process.kill()
        process.wait()


def test_on_the_real_system_each_alert_fires_and_each_panel_has_an_answer(watched: Watched) -> None:
    seen = wait_for(lambda: "ElastiqAutoscalerSilent" in (firing := watched.firing()) and firing, 30)
    assert seen == {"ElastiqAutoscalerSilent"}, "nothing else is wrong yet"

    config = watched.site.config
    sqs = aws.client("sqs", config.aws)
    url = sqs.get_queue_url(QueueName=config.queue.name)["QueueUrl"]
    dead = sqs.get_queue_url(QueueName=dead_letter_queue(config.queue.name))["QueueUrl"]
    for number in range(12):
        sqs.send_message(QueueUrl=url, MessageBody=str(number))
    sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=600)
    sqs.send_message(QueueUrl=dead, MessageBody="gone for good")
    now = time.time()
    late = Life("i-0aaa", "tasks.classify", 1, stored_at=now, queued_at=now - 90, received_at=now - 1)
    outcome = Classification.of("b/a.png", [Prediction("tabby", 0.9)], "m")
    bad = decision(oldest_s=61.0, cost=FleetCost(0.1, 0.2, 0.3, "c7i.large"))
    with announcer(config) as announce:
        announce.say(ImageClassified(outcome, late), "i-0aaa@host")
        announce.say(bad)
        for failed in range(1, 4):
            watched.figures.decided(bad, Launches(failed=failed), {})
            wait_for(lambda wanted=failed: _value(watched, "elastiq_launches_failed_total") == wanted, 20)  # type: ignore[misc]
        wait_for(lambda: seen.update(watched.firing()) or seen == ALERTS, 60, lambda: ALERTS - seen)

    _each_panel_has_an_answer(watched)


def _value(watched: Watched, expression: str) -> float | None:
    found = watched.ask("query", query=expression)["data"]["result"]
    return float(found[0]["value"][1]) if found else None


def _each_panel_has_an_answer(watched: Watched) -> None:
    """Put every question of the dashboard as Grafana would, and find every metric that it or a rule names."""
    told, wrong = watched.metrics(), []
    asked = [(panel["title"], target["expr"]) for panel in DASHBOARD["panels"] for target in panel["targets"]]
    for title, expression in asked:
        answer = watched.ask("query", query=expression.replace("$job", "elastiq").replace("$__rate_interval", "1m"))
        if answer["status"] != "success":
            wrong.append((title, answer))
    named = set(re.findall(r"\b(?:celery|elastiq)_\w+", " ".join([RULES, *(one for _, one in asked)])))
    # A counter with labels is there once something was counted.
    unheard = {f"celery_task_{stage}_total" for stage in ("sent", "succeeded", "failed", "retried", "received")}
    unheard |= {"celery_task_runtime_bucket"}
    assert wrong == []
    assert named - told <= unheard


def test_grafana_s_own_types_know_all_that_the_dashboard_has() -> None:
    read = Dashboard.from_json(copy.deepcopy(DASHBOARD))

    assert _left_out(DASHBOARD, json.loads(JSONEncoder().encode(read))) == []
    assert _left_out({"panels": [{"id": 1, "gridPso": {}}]}, {"panels": [{"id": 2}]}) == [
        ".panels.0.id",
        ".panels.0.gridPso",
    ]


def _left_out(whole: Any, found: Any, where: str = "") -> list[str]:
    """Return where ``found`` lacks something of ``whole``, or has something else."""
    if isinstance(whole, dict | list) and type(whole) is type(found):
        items = whole.items() if isinstance(whole, dict) else enumerate(whole)
        has = found.keys() if isinstance(found, dict) else range(len(found))
        return [
            one
            for key, value in items
            for one in (_left_out(value, found[key], f"{where}.{key}") if key in has else [f"{where}.{key}"])
        ]
    return [] if whole == found else [where]


def test_the_dashboard_can_be_provisioned() -> None:
    variables = {variable["name"]: variable for variable in DASHBOARD["templating"]["list"]}
    assert (DASHBOARD["uid"], DASHBOARD["schemaVersion"]) == ("elastiq", 41)
    assert variables["datasource"]["type"] == "datasource"
    sources = {target["datasource"]["uid"] for panel in DASHBOARD["panels"] for target in panel["targets"]}
    assert sources == {"${datasource}"}
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
