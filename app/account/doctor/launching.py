"""What instances are launched from: the launch template, its image, the subnets and the types."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from botocore.exceptions import ClientError

from app import aws
from app.account.doctor.findings import Finding, asked, bad, unknown, well
from app.aws.errors import DENIED
from app.settings import Settings

_NO_TEMPLATE = (
    "InvalidLaunchTemplateName.NotFoundException",
    "InvalidLaunchTemplateId.NotFound",
    "InvalidLaunchTemplateId.NotFoundException",
    "InvalidLaunchTemplateId.VersionNotFound",
)
_NO_IMAGE = ("InvalidAMIID.NotFound", "InvalidAMIID.Unavailable", "InvalidAMIID.Malformed")
_NO_SUBNET = ("InvalidSubnetID.NotFound", "InvalidSubnetID.Malformed")


def launching(settings: Settings) -> Iterator[Finding]:
    """Yield what is found; an autoscaler's own role may not look at any of it, which is no failure."""
    ec2 = aws.client("ec2", settings.aws, read_timeout_s=5, attempts=2)
    yield asked("launch template", partial(_template, settings, ec2))
    if settings.ec2.subnets:
        yield asked("subnets", partial(_subnets, settings, ec2))
    if settings.ec2.instance_types:
        yield asked("instance types", partial(_types, settings, ec2))


def _template(settings: Settings, ec2: aws.Client) -> Finding:
    what, name, version = "launch template", settings.ec2.launch_template, settings.ec2.launch_template_version
    which = {"LaunchTemplateId" if name.startswith("lt-") else "LaunchTemplateName": name}
    with aws.translated("asking for the launch template"):
        try:
            # A stock image is named by a parameter, which EC2 looks up.
            found = ec2.describe_launch_template_versions(**which, Versions=[version], ResolveAlias=True)
        except ClientError as err:
            if aws.error_code(err) in _NO_TEMPLATE:
                return bad(
                    what, f"there is no version {version} of {name}: set ELASTIQ_LAUNCH_TEMPLATE and its _VERSION"
                )
            return _refused(what, err)
        versions = found["LaunchTemplateVersions"]
        if not versions:
            return bad(what, f"there is no version {version} of {name}: set ELASTIQ_LAUNCH_TEMPLATE_VERSION")
        image = versions[0]["LaunchTemplateData"].get("ImageId", "")
        if not image:
            return bad(what, f"version {versions[0]['VersionNumber']} of {name} names no image: make one that does")
        return _image(ec2, what, f"{name}, version {versions[0]['VersionNumber']}", image)


def _image(ec2: aws.Client, what: str, template: str, image: str) -> Finding:
    try:
        images = ec2.describe_images(ImageIds=[image])["Images"]
    except ClientError as err:
        if aws.error_code(err) not in _NO_IMAGE:
            return _refused(what, err)
        images = []
    if not images:
        return bad(what, f"{template} has the image {image}, which is not there or not shared: name another in it")
    state = images[0].get("State", "available")
    if state != "available":
        return bad(what, f"{template} has the image {image}, which is {state}: name one that is available")
    return well(what, f"{template}, with the image {image} ({images[0].get('Architecture', 'unknown')})")


def _subnets(settings: Settings, ec2: aws.Client) -> Finding:
    wanted = [name.strip() for name in settings.ec2.subnets.split(",") if name.strip()]
    with aws.translated("asking for the subnets"):
        try:
            zones = {one["AvailabilityZone"] for one in ec2.describe_subnets(SubnetIds=wanted)["Subnets"]}
        except ClientError as err:
            if aws.error_code(err) in _NO_SUBNET:
                message = err.response["Error"].get("Message", "one is not there")
                return bad("subnets", f"{message}: mend ELASTIQ_SUBNETS")
            return _refused("subnets", err)
    return well("subnets", f"{len(wanted)}, in {', '.join(sorted(zones))}")


def _types(settings: Settings, ec2: aws.Client) -> Finding:
    wanted = [name.strip() for name in settings.ec2.instance_types.split(",") if name.strip()]
    with aws.translated("asking for the instance types"):
        try:
            pages = ec2.get_paginator("describe_instance_type_offerings").paginate(
                Filters=[{"Name": "instance-type", "Values": wanted}]
            )
            offered = {one["InstanceType"] for page in pages for one in page["InstanceTypeOfferings"]}
        except ClientError as err:
            return _refused("instance types", err)
    missing = [name for name in wanted if name not in offered]
    if missing:
        return bad("instance types", f"this region has no {', '.join(missing)}: mend ELASTIQ_INSTANCE_TYPES")
    return well("instance types", ", ".join(wanted))


def _refused(what: str, err: ClientError) -> Finding:
    """Return that these credentials may not look.

    Raises:
        ClientError: it is another error.
    """
    if aws.error_code(err) not in DENIED:
        raise err
    return unknown(what, "these credentials may not look at it; the autoscaler's own need not")
