"""Workers of an older version give way: asked to drain, half of them first, so that those that come take over."""

from __future__ import annotations

import math
import time
from typing import Any

from botocore.exceptions import ClientError

from app import aws
from app.deploy.stack import Say
from app.domain import DRAIN_TAG
from app.settings import Settings

FLEET_TAG = "elastiq-fleet"  # autoscaler/fleet/ec2.py has it too; app knows no tier
VERSION_TAG = "aws:ec2launchtemplate:version"  # EC2 itself sets it


def replace_workers(settings: Settings, name: str, template: str, wait_s: float, look_s: float, say: Say) -> None:
    """Ask the workers of an older version of the launch template to finish what they have and leave.

    What they had not begun goes back to the queue, and the autoscaler launches what that needs, of the new version.

    Args:
        settings: the region.
        name: the fleet's.
        template: the id of its launch template; the default version is the new one.
        wait_s: seconds that the first half may take before the others are asked all the same; 0 asks all at once.
        look_s: seconds between two looks.
        say: is told what is done.
    """
    ec2 = aws.client("ec2", settings.aws)
    with aws.translated("looking for workers of an older version"):
        (seen,) = ec2.describe_launch_templates(LaunchTemplateIds=[template])["LaunchTemplates"]
        version = str(seen["DefaultVersionNumber"])
        old = _older(ec2, name, version)
    if not old:
        return
    half = math.ceil(len(old) / 2) if wait_s else len(old)
    _drain(ec2, old[:half])
    say(f"{half} of {len(old)} workers of an older version are asked to leave")
    deadline = time.monotonic() + wait_s
    with aws.translated("waiting for workers of an older version"):
        while time.monotonic() < deadline and set(_older(ec2, name, str(seen["DefaultVersionNumber"]))) & set(
            old[:half]
        ):
            time.sleep(look_s)
    if old[half:]:
        _drain(ec2, old[half:])
        say("the others are asked too")


def _older(ec2: Any, name: str, version: str) -> list[str]:
    """Return the ids of the fleet's instances that work and are of another version."""
    filters = [
        {"Name": f"tag:{FLEET_TAG}", "Values": [name]},
        {"Name": "instance-state-name", "Values": ["pending", "running"]},
    ]
    pages = ec2.get_paginator("describe_instances").paginate(Filters=filters)
    instances = [one for page in pages for group in page["Reservations"] for one in group["Instances"]]
    tags = {one["InstanceId"]: {tag["Key"]: tag["Value"] for tag in one.get("Tags", [])} for one in instances}
    return sorted(id for id, of in tags.items() if of.get(VERSION_TAG, version) != version)


def _drain(ec2: Any, ids: list[str]) -> None:
    """Set the tag that a worker reads from its instance's metadata; one that has gone meanwhile is passed over."""
    with aws.translated("asking workers to leave"):
        for id in ids:
            try:
                ec2.create_tags(Resources=[id], Tags=[{"Key": DRAIN_TAG, "Value": "1"}])
            except ClientError as err:
                if aws.error_code(err) != "InvalidInstanceID.NotFound":
                    raise
