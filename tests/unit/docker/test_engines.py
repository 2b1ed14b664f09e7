"""What other engines are told: Kubernetes with KEDA, and ECS."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import Any

import boto3
import botocore.validate
import pytest
import yaml

from app.settings import SECTIONS, Settings
from autoscaler.wish import METRIC
from tests.support import template
from tests.support.compose import ROOT

OBJECTS: list[dict[str, Any]] = list(yaml.safe_load_all((ROOT / "docker/kubernetes/elastiq.yaml").read_text()))
DEPLOYMENTS = {one["metadata"]["name"]: one["spec"] for one in OBJECTS if one["kind"] == "Deployment"}
CONFIG = next(one["data"] for one in OBJECTS if one["kind"] == "ConfigMap")
SCALED = next(one["spec"] for one in OBJECTS if one["kind"] == "ScaledObject")
TASK = json.loads((ROOT / "docker/ecs/worker.json").read_text())
KNOWN = {field.metadata["variable"] for section in SECTIONS.values() for field in fields(section)}


def settings(name: str) -> Settings:
    """Return the settings of a deployment's one container."""
    (container,) = DEPLOYMENTS[name]["template"]["spec"]["containers"]
    environment = {**CONFIG, **{one["name"]: one["value"] for one in container["env"]}}
    assert environment.keys() <= KNOWN
    return Settings.from_environment(environment)


def test_there_is_one_deployment_for_each_tier_and_its_own_service_account() -> None:
    accounts = {one["metadata"]["name"] for one in OBJECTS if one["kind"] == "ServiceAccount"}

    assert DEPLOYMENTS.keys() == accounts == {"elastiq-web", "elastiq-autoscaler", "elastiq-worker"}
    for name, spec in DEPLOYMENTS.items():
        assert spec["template"]["spec"]["serviceAccountName"] == name
        assert spec["selector"]["matchLabels"] == spec["template"]["metadata"]["labels"] == {"app": name}


def test_the_autoscaler_watches_and_workers_stay_until_they_are_taken_away() -> None:
    assert settings("elastiq-autoscaler").autoscaler.watch_only
    assert settings("elastiq-worker").worker.idle_s == 0
    assert settings("elastiq-web").web.host == "0.0.0.0"


def test_a_stop_leaves_a_worker_the_time_to_drain() -> None:
    longest_poll_s = settings("elastiq-worker").worker.poll_wait_s

    assert DEPLOYMENTS["elastiq-worker"]["template"]["spec"]["terminationGracePeriodSeconds"] >= 5 * longest_poll_s
    assert TASK["containerDefinitions"][0]["stopTimeout"] >= 5 * longest_poll_s


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_a_pod_may_do_nothing_that_it_need_not(name: str) -> None:
    pod = DEPLOYMENTS[name]["template"]["spec"]
    (container,) = pod["containers"]

    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] == 10001
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert "livenessProbe" in container


def test_keda_has_the_fleet_s_ceiling_and_goes_down_to_none() -> None:
    assert SCALED["maxReplicaCount"] == Settings().autoscaler.max_instances
    assert SCALED["minReplicaCount"] == 0
    assert SCALED["scaleTargetRef"]["name"] in DEPLOYMENTS
    assert "replicas" not in DEPLOYMENTS["elastiq-worker"], "it would undo what KEDA did"


def test_the_task_definition_is_one_that_ecs_takes() -> None:
    model = boto3.client("ecs", region_name="eu-central-1").meta.service_model
    shape = model.operation_model("RegisterTaskDefinition").input_shape

    assert botocore.validate.ParamValidator().validate(TASK, shape).generate_report() == ""


def test_the_task_is_told_settings_that_exist_and_stays_however_idle() -> None:
    (container,) = TASK["containerDefinitions"]
    environment = {one["name"]: one["value"] for one in container["environment"]}

    assert environment.keys() <= KNOWN
    assert Settings.from_environment({**environment, "AWS_REGION": "eu-central-1"}).worker.idle_s == 0
    assert container["readonlyRootFilesystem"] is True


SERVICE = template.load((ROOT / "docker/ecs/service.yaml").read_text())["Resources"]


def test_the_service_has_as_many_tasks_as_the_autoscaler_wishes() -> None:
    policy = SERVICE["Follow"]["Properties"]["StepScalingPolicyConfiguration"]
    bounds, alarm = SERVICE["Bounds"]["Properties"], SERVICE["Wished"]["Properties"]

    def count(desired: int) -> list[int]:
        """Return what the steps whose interval has the metric make of it; intervals begin at the alarm's threshold."""
        return [
            step["ScalingAdjustment"]
            for step in policy["StepAdjustments"]
            if step["MetricIntervalLowerBound"]
            <= desired - alarm["Threshold"]
            < step.get("MetricIntervalUpperBound", float("inf"))
        ]

    assert policy["AdjustmentType"] == "ExactCapacity"
    assert bounds["MaxCapacity"] == Settings().autoscaler.max_instances
    assert [count(n) for n in range(20)] == [[n] for n in range(20)]
    assert alarm["AlarmActions"] == [{"Ref": "Follow"}]
    assert "DesiredCount" not in SERVICE["Workers"]["Properties"], "it would undo what the policy did"


def test_the_service_s_alarm_watches_what_a_watching_autoscaler_logs() -> None:
    alarm = SERVICE["Wished"]["Properties"]

    assert alarm["MetricName"] == METRIC
    assert alarm["Namespace"] == {"Ref": "Fleet"}
    parameters = template.load((ROOT / "docker/ecs/service.yaml").read_text())["Parameters"]
    assert parameters["Fleet"]["Default"] == Settings().ec2.fleet
    assert parameters["TaskDefinition"]["Default"] == TASK["family"]
