"""What instances are launched from, asked of an EC2: there, missing, refused; and the dry run of a launch."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from app.account.doctor.account import Account
from app.account.doctor.checks import look
from app.account.doctor.findings import Finding, State
from app.account.doctor.launching import launching
from app.account.doctor.needs import NEEDS
from app.account.doctor.permissions import tried
from app.settings import Settings
from tests.contract.ec2_server import Ec2Server


def found(settings: Settings, **ec2: Any) -> dict[str, Finding]:
    return {finding.what: finding for finding in launching(replace(settings, ec2=replace(settings.ec2, **ec2)))}


def test_a_template_with_its_image_the_subnets_and_the_types_are_told(ec2_settings: Settings) -> None:
    findings = found(ec2_settings, instance_types="c7i.large")
    assert {finding.state for finding in findings.values()} == {State.OK}, findings
    assert "workers, version 1, with the image ami-" in findings["launch template"].says
    assert findings["subnets"].says.startswith("3, in us-east-1")


@pytest.mark.parametrize(
    ("changes", "what", "says"),
    [
        ({"launch_template": "none-such"}, "launch template", "set ELASTIQ_LAUNCH_TEMPLATE"),
        ({"launch_template_version": "7"}, "launch template", "there is no version 7 of workers"),
        ({"subnets": "subnet-0123456789abcdef0"}, "subnets", "mend ELASTIQ_SUBNETS"),
        ({"instance_types": "c7i.large,c99.huge"}, "instance types", "no c99.huge: mend ELASTIQ_INSTANCE_TYPES"),
    ],
)
def test_what_is_not_there_is_named_with_its_setting(
    ec2_settings: Settings, changes: dict[str, str], what: str, says: str
) -> None:
    finding = found(ec2_settings, **changes)[what]
    assert finding.state is State.FAIL
    assert says in finding.says


def test_an_image_that_is_gone_is_found(ec2_settings: Settings, ec2: Ec2Server) -> None:
    ec2.faults = {"DescribeImages": ["InvalidAMIID.NotFound"]}
    finding = found(ec2_settings)["launch template"]
    assert finding.state is State.FAIL
    assert "which is not there or not shared" in finding.says


def test_that_one_may_not_look_is_no_failure(ec2_settings: Settings, ec2: Ec2Server) -> None:
    ec2.faults = {"DescribeLaunchTemplateVersions": ["UnauthorizedOperation"]}
    assert found(ec2_settings)["launch template"].state is State.UNKNOWN


@pytest.mark.parametrize(("answer", "refused"), [("DryRunOperation", False), ("UnauthorizedOperation", True)])
def test_a_launch_is_tried_dry_as_it_would_be_made(
    ec2_settings: Settings, ec2: Ec2Server, answer: str, refused: bool
) -> None:
    ec2.faults = {"RunInstances": [answer]}
    need = next(need for need in NEEDS if need.action == "ec2:RunInstances")
    finding = tried(need, Account(ec2_settings))
    assert (finding is not None) == refused
    assert not finding or (finding.state, finding.what) == (State.FAIL, "permission ec2:RunInstances")
    (call,) = ec2.calls_of("RunInstances")
    assert call["DryRun"] == "true"
    assert call["LaunchTemplate.LaunchTemplateName"] == "workers"
    assert call["SubnetId"].startswith("subnet-")


def test_whose_the_credentials_are_is_told(ec2_settings: Settings) -> None:
    credentials = next(finding for finding in look(ec2_settings, ()) if finding.what == "credentials")
    assert credentials.state is State.OK
    assert credentials.says.endswith("in account 123456789012")
