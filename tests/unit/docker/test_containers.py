"""What can be told of docker/ without building anything."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from app.process import healthy
from app.settings import SECTIONS, Settings
from tests.support import compose
from tests.support.compose import FILE, ROOT, Service

DOCKERFILE = (ROOT / "docker" / "Dockerfile").read_text()
CONSTRAINTS = (ROOT / "docker" / "constraints.txt").read_text()
SERVICES = compose.services({})
TARGETS = {"web", "worker", "autoscaler", "flower", "cloud"}
AWS = {"AWS_REGION", "AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"}

each_service = pytest.mark.parametrize("service", SERVICES.values(), ids=SERVICES)


def test_the_compose_file_is_what_composes_specification_says() -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(FILE)]

    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr


def test_software_of_others_may_do_no_more_and_runs_only_where_it_is_asked_for() -> None:
    others = compose.others()
    assert set(others) == {"prometheus", "grafana"}
    for raw in others.values():
        assert raw["profiles"] == ["monitoring"]
        assert raw["read_only"] is True
        assert raw["cap_drop"] == ["ALL"]
        assert raw["security_opt"] == ["no-new-privileges:true"]
        assert re.search(r":v?\d+\.\d+\.\d+$", raw["image"])
        assert all(port.startswith("127.0.0.1:") for port in raw["ports"])
        given = [volume.split(":")[0] for volume in raw["volumes"] if volume.startswith("./")]
        assert all((ROOT / "docker" / path).exists() for path in given)


def test_every_target_is_there_and_some_service_runs_it() -> None:
    assert set(re.findall(r"^FROM \S+ AS (\w+)$", DOCKERFILE, re.MULTILINE)) >= TARGETS
    assert {service.target for service in SERVICES.values()} == TARGETS


@each_service
def test_a_service_may_do_nothing_that_it_need_not(service: Service) -> None:
    assert service.raw["read_only"] is True
    assert service.raw["cap_drop"] == ["ALL"]
    assert service.raw["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in service.raw
    assert service.tmpfs == ["/tmp"]


@each_service
def test_a_service_is_built_where_its_image_is_missing(service: Service) -> None:
    assert service.raw["build"] == {"context": "..", "dockerfile": "docker/Dockerfile", "target": service.target}


@each_service
def test_a_port_is_published_on_loopback_alone(service: Service) -> None:
    assert all(port.startswith("127.0.0.1:") for port in service.raw.get("ports", []))


@each_service
def test_what_a_service_is_told_are_settings_that_exist(service: Service) -> None:
    known = {field.metadata["variable"] for section in SECTIONS.values() for field in fields(section)} | AWS

    assert service.environment.keys() <= known
    Settings.from_environment(service.environment)


def test_every_setting_reaches_a_service_but_for_those_that_the_images_make() -> None:
    inside = {"ELASTIQ_DATA_DIR", "ELASTIQ_CLOUD_PORT", "ELASTIQ_MODEL_DIR", "ELASTIQ_ALIVE_FILE", "ELASTIQ_PORT"}
    inside |= {"ELASTIQ_CALIBRATION"}  # models are built with the image
    on_ec2 = {"ELASTIQ_INSTANCE_ID", "ELASTIQ_HEED_REBALANCE"}
    variables = {field.metadata["variable"] for section in SECTIONS.values() for field in fields(section)}

    told = {
        name for service in compose.services(dict.fromkeys(variables, "1")).values() for name in service.environment
    }

    assert variables - told == inside | on_ec2


def test_without_settings_it_runs_against_its_own_cloud_and_with_them_against_aws() -> None:
    assert Settings.from_environment(SERVICES["web"].environment).aws.endpoint_url == "http://cloud:4566"
    own = {"AWS_ENDPOINT_URL": "", "AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_REGION": "eu-north-1"}

    environment = compose.services(own)["worker"].environment

    assert Settings.from_environment(environment).aws.endpoint_url == ""
    assert environment["AWS_ACCESS_KEY_ID"] == environment["AWS_SECRET_ACCESS_KEY"] == ""
    assert environment["AWS_REGION"] == "eu-north-1"


def test_fixed_workers_stay_and_the_autoscaler_watches() -> None:
    assert SERVICES["worker"].scale == 2
    assert Settings.from_environment(SERVICES["worker"].environment).worker.idle_s == 0
    assert SERVICES["autoscaler"].environment["ELASTIQ_WATCH_ONLY"] == "1"


def test_every_image_runs_as_a_user_without_rights_and_has_a_health_check() -> None:
    stages = dict(re.findall(r"^FROM base AS (\w+)\n(.*?)(?=^FROM|\Z)", DOCKERFILE, re.MULTILINE | re.DOTALL))

    for target in TARGETS:
        assert "\nUSER 10001:10001\n" in stages[target]
        assert "\nHEALTHCHECK " in stages[target]
        assert '\nENTRYPOINT ["' in stages[target], "a shell would not pass SIGTERM on"


def test_the_base_image_is_a_full_version() -> None:
    assert re.search(r"^ARG BASE=python:3\.\d+\.\d+-slim-\w+$", DOCKERFILE, re.MULTILINE)


def test_every_requirement_is_locked_to_one_version() -> None:
    pins = dict(re.findall(r"^([\w.-]+)==([\w.+]+)$", CONSTRAINTS, re.MULTILINE))
    assert len(pins) == len([line for line in CONSTRAINTS.splitlines() if not line.startswith("#")])
    for name in ("celery", "kombu", "boto3", "flask", "pillow", "openvino", "torch", "ministack", "flower"):
        assert name in pins


def test_a_file_that_was_just_touched_is_healthy_and_an_old_one_is_not(tmp_path: Path) -> None:
    file = tmp_path / "alive"
    assert "No such file" in healthy.why_not(str(file))
    file.touch()
    assert healthy.why_not(str(file)) == ""
    os.utime(file, (1, 1))
    assert "was last touched" in healthy.why_not(str(file))


def test_an_address_that_does_not_answer_is_not_healthy() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "app.process.healthy", "http://127.0.0.1:9/healthz"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "refused" in done.stderr


def test_the_health_check_imports_nothing_that_takes_long() -> None:
    code = (
        "import sys, json, app.process.healthy; print(json.dumps([m for m in sys.modules if m in ('boto3', 'celery')]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []
