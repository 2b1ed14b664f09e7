"""What an instance is believed to do before anything was measured of one, by the model's build."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from app.settings import Ec2Settings, EngineSettings, Settings
from app.speed import Speed, processor
from autoscaler.built import ANOTHER, cores_of, within
from autoscaler.values import Limits

LIMITS = Limits(19, "deadline")
HERE = Speed(6.0, "bf16", processor())


@pytest.fixture
def config(tmp_path: Path) -> Settings:
    """Settings of this machine, with a model whose build measured it here."""
    (tmp_path / "some").mkdir()
    HERE.write(tmp_path / "some")
    return Settings(engine=EngineSettings(model="some", model_dir=str(tmp_path)))


def test_on_the_machine_of_the_build_its_rate_is_sure(config: Settings) -> None:
    cores = len(os.sched_getaffinity(0))
    assert within(LIMITS, config) == replace(LIMITS, service_rate=HERE.rate(cores), unsure=1.0)


def test_on_another_processor_the_rate_may_be_another(config: Settings, tmp_path: Path) -> None:
    replace(HERE, processor="Another").write(tmp_path / "some")
    limits = within(LIMITS, config)
    assert limits is not None
    assert limits.unsure == ANOTHER


def test_on_ec2_the_first_type_says_how_many_cores_and_the_processor_is_another(config: Settings) -> None:
    ec2 = replace(config, ec2=Ec2Settings(launch_template="lt-1", instance_types="c7i.2xlarge,c6i.large"))
    assert within(LIMITS, ec2) == replace(LIMITS, service_rate=HERE.rate(8), unsure=ANOTHER)


@pytest.mark.parametrize(
    ("type", "cores"),
    [("c7i.large", 2), ("m7g.xlarge", 4), ("c7i.12xlarge", 48), ("c7g.medium", 1), ("t3.medium", 2), ("", 2)],
)
def test_a_type_s_name_tells_its_cores(type: str, cores: int) -> None:
    assert cores_of(type) == cores


@pytest.mark.parametrize("engine", [{"model": "other"}, {"kind": "torch"}, {"precision": "fp32"}])
def test_another_model_engine_or_precision_was_not_measured(config: Settings, engine: dict[str, str]) -> None:
    assert within(LIMITS, replace(config, engine=replace(config.engine, **engine))) is None


def test_a_precision_that_is_the_measured_one_was(config: Settings) -> None:
    assert within(LIMITS, replace(config, engine=replace(config.engine, precision="bf16"))) is not None
