"""What each call has to be allowed: IAM's actions, on which resources, with which condition keys.

Source: Service Authorization Reference, for each service; EC2 user guide, "Example policies ... RunInstances"; S3 user
guide, "Conditional writes" and GetObject's "Permissions" (without ListBucket, what is not there answers 403).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.rehearsal.account import REGION
from tests.rehearsal.calls import Call
from tests.rehearsal.identities import ACCOUNT

_NAMESPACES = {"monitoring": "cloudwatch"}
_OBJECTS = {
    "GetObject": ["GetObject"],
    "HeadObject": ["GetObject"],
    "PutObject": ["PutObject"],
    "CreateMultipartUpload": ["PutObject"],
    "UploadPart": ["PutObject"],
    "CompleteMultipartUpload": ["PutObject"],
    "AbortMultipartUpload": ["AbortMultipartUpload"],
    "DeleteObject": ["DeleteObject"],
    "DeleteObjects": ["DeleteObject"],
}
_BUCKETS = {"ListObjectsV2": "ListBucket", "HeadBucket": "ListBucket", "ListObjectVersions": "ListBucketVersions"}


@dataclass(frozen=True, slots=True)
class Need:
    """One thing that has to be allowed."""

    action: str
    resource: str
    context: Mapping[str, str | list[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Launch:
    """What a launch template's version brings into a launch: its id, its data, the role that it passes.

    ``vpcs`` are those of all subnets, by the subnets' ids.
    """

    id: str
    data: Mapping[str, Any]
    role_arn: str
    vpcs: Mapping[str, str]


def needed(call: Call, launch: Callable[[dict[str, str]], Launch]) -> list[Need]:
    """Return all that ``call`` needs.

    Args:
        call: a recorded one.
        launch: returns what the launch template of a RunInstances call, by its parameter, brings.
    """
    if call.service == "s3":
        return list(_s3(call))
    if call.service == "sqs":
        return list(_sqs(call))
    if call.service == "ec2":
        return list(_ec2(call, launch))
    if call.service == "iam":
        return list(_iam(call))
    service = _NAMESPACES.get(call.service, call.service)
    resources = {"sns": _sns, "logs": _logs, "sts": _sts, "ssm": _ssm, "cloudformation": _stack, "autoscaling": _group}
    action = {"PublishBatch": "Publish"}.get(call.action, call.action)
    find = resources.get(service)
    return [Need(f"{service}:{action}", find(call.parameters) if find else "*", _context(call))]


def _arn(service: str, name: str) -> str:
    return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{name}"


def _context(call: Call) -> dict[str, str | list[str]]:
    if call.action == "Subscribe":
        return {"sns:Protocol": call.parameters["Protocol"], "sns:Endpoint": call.parameters["Endpoint"]}
    namespace = call.parameters.get("Namespace")
    return {"cloudwatch:namespace": namespace} if namespace else {}


def _s3(call: Call) -> Iterator[Need]:
    bucket = f"arn:aws:s3:::{call.parameters.get('Bucket', '')}"
    if call.action == "ListBuckets":
        yield Need("s3:ListAllMyBuckets", "*")
    elif call.action in _OBJECTS:
        versions = "Version" if call.parameters.get("VersionId") else ""
        for action in _OBJECTS[call.action]:
            yield Need(f"s3:{action}{versions}", f"{bucket}/{call.parameters.get('Key', 'any')}")
        if call.parameters.get("IfMatch"):
            yield Need("s3:GetObject", f"{bucket}/{call.parameters['Key']}")
        if call.status == 404:
            yield Need("s3:ListBucket", bucket)
    else:
        prefix = call.parameters.get("Prefix")
        context: dict[str, str | list[str]] = {"s3:prefix": prefix} if prefix else {}
        yield Need(f"s3:{_BUCKETS.get(call.action, call.action)}", bucket, context)


def _sqs(call: Call) -> Iterator[Need]:
    name = call.parameters.get("QueueName") or str(call.parameters.get("QueueUrl", "")).rpartition("/")[2]
    action = call.action.removesuffix("Batch")
    yield Need(f"sqs:{action}", _arn("sqs", name) if name else "*")
    if action == "CreateQueue" and call.parameters.get("tags"):
        yield Need("sqs:TagQueue", _arn("sqs", name))


def _iam(call: Call) -> Iterator[Need]:
    if call.action == "CreateServiceLinkedRole":
        name = call.parameters["AWSServiceName"]
        arn = f"arn:aws:iam::{ACCOUNT}:role/aws-service-role/{name}/AWSServiceRole"
        yield Need("iam:CreateServiceLinkedRole", arn, {"iam:AWSServiceName": name})
    else:
        yield Need(f"iam:{call.action}", f"arn:aws:iam::{ACCOUNT}:role/{call.parameters.get('RoleName', '*')}")


def _sns(parameters: dict[str, Any]) -> str:
    arn = parameters.get("TopicArn") or parameters.get("ResourceArn")
    if not arn and "SubscriptionArn" in parameters:
        arn = parameters["SubscriptionArn"].rpartition(":")[0]
    return str(arn or (_arn("sns", parameters["Name"]) if "Name" in parameters else "*"))


def _logs(parameters: dict[str, Any]) -> str:
    group = f"log-group:{parameters.get('logGroupName', '')}"
    return _arn("logs", f"{group}:log-stream:{parameters.get('logStreamName', '')}")


def _sts(parameters: dict[str, Any]) -> str:
    return str(parameters.get("RoleArn", "*"))


def _ssm(parameters: dict[str, Any]) -> str:
    name = parameters.get("Name", "")
    return f"arn:aws:ssm:{REGION}::parameter{name}" if name.startswith("/aws/") else _arn("ssm", f"parameter{name}")


def _stack(parameters: dict[str, Any]) -> str:
    name = parameters.get("StackName", "")
    return name if name.startswith("arn:") else _arn("cloudformation", f"stack/{name}/0") if name else "*"


def _group(parameters: dict[str, Any]) -> str:
    name = parameters.get("AutoScalingGroupName", "")
    return _arn("autoscaling", f"autoScalingGroup:0:autoScalingGroupName/{name}")


def _ec2(call: Call, launch: Callable[[dict[str, str]], Launch]) -> Iterator[Need]:
    if call.action == "RunInstances":
        yield from _run(call.parameters, launch(call.parameters["LaunchTemplate"]))
    elif call.action in ("CreateTags", "DeleteTags"):
        tags = {tag["Key"]: tag.get("Value", "") for tag in call.parameters.get("Tag", [])}
        for id in call.parameters["ResourceId"]:
            context = {**_resource_tags(call, id), **_request_tags(tags)}
            yield Need(f"ec2:{call.action}", _arn("ec2", f"instance/{id}"), context)
    elif call.action == "TerminateInstances":
        for id in call.parameters["InstanceId"]:
            yield Need("ec2:TerminateInstances", _arn("ec2", f"instance/{id}"), _resource_tags(call, id))
    else:
        yield Need(f"ec2:{call.action}", "*", {"ec2:Region": REGION})


def _run(parameters: dict[str, Any], template: Launch) -> Iterator[Need]:
    """Yield what a launch needs: RunInstances on each resource, the tags on what is new, and to pass the role."""
    data = template.data
    common: dict[str, str | list[str]] = {
        "ec2:LaunchTemplate": _arn("ec2", f"launch-template/{template.id}"),
        "ec2:Region": REGION,
    }
    given = {"ec2:IsLaunchTemplateResource": "false"}
    taken = {"ec2:IsLaunchTemplateResource": "true"}
    tags = _launch_tags(parameters, data)
    instance = {
        "ec2:InstanceType": parameters.get("InstanceType") or data.get("InstanceType", ""),
        "ec2:InstanceMarketType": "spot" if "InstanceMarketOptions" in parameters else "on-demand",
        "ec2:MetadataHttpTokens": data.get("MetadataOptions", {}).get("HttpTokens", "optional"),
    }
    interfaces = data.get("NetworkInterfaces", [])
    subnet = parameters.get("SubnetId") or data.get("SubnetId") or (interfaces[0].get("SubnetId") if interfaces else "")
    place = {"ec2:Vpc": _arn("ec2", f"vpc/{template.vpcs[subnet]}")} if subnet in template.vpcs else {}
    new = {"instance": {**taken, **instance}, "volume": taken, "network-interface": {**taken, **place}}
    for kind, context in new.items():
        own = _request_tags(tags.get(kind, {}))
        yield Need("ec2:RunInstances", _arn("ec2", f"{kind}/{kind[0]}-0123456789abcdef0"), common | context | own)
        if kind in tags:
            created = {**own, "ec2:CreateAction": "RunInstances", "ec2:Region": REGION}
            yield Need("ec2:CreateTags", _arn("ec2", f"{kind}/{kind[0]}-0123456789abcdef0"), created)
    yield Need("ec2:RunInstances", _arn("ec2", f"launch-template/{template.id}"), common | taken)
    image = parameters.get("ImageId") or data["ImageId"]
    image = "ami-0123456789abcdef0" if image.startswith("resolve:") else image
    yield Need("ec2:RunInstances", f"arn:aws:ec2:{REGION}::image/{image}", common | taken)
    context = common | place | (given if "SubnetId" in parameters else taken)
    yield Need("ec2:RunInstances", _arn("ec2", f"subnet/{subnet or 'subnet-0'}"), context)
    groups = data.get("SecurityGroupIds") or [group for one in interfaces for group in one.get("Groups", [])]
    for group in groups or ["sg-0"]:
        yield Need("ec2:RunInstances", _arn("ec2", f"security-group/{group}"), common | place | taken)
    if template.role_arn:
        yield Need("iam:PassRole", template.role_arn, {"iam:PassedToService": "ec2.amazonaws.com"})


def _launch_tags(parameters: dict[str, Any], data: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """Return the tags that a launch sets, by what it sets them on: the template's, the call's own on top."""
    found: dict[str, dict[str, str]] = {}
    own = [{**one, "Tags": one.get("Tag", [])} for one in parameters.get("TagSpecification", [])]
    for one in [*data.get("TagSpecifications", []), *own]:
        tags = {tag["Key"]: tag.get("Value", "") for tag in one["Tags"]}
        found[one["ResourceType"]] = {**found.get(one["ResourceType"], {}), **tags}
    return found


def _request_tags(tags: Mapping[str, str]) -> dict[str, str | list[str]]:
    values: dict[str, str | list[str]] = {f"aws:RequestTag/{key}": value for key, value in tags.items()}
    return {**values, "aws:TagKeys": list(tags)} if tags else {}


def _resource_tags(call: Call, id: str) -> dict[str, str | list[str]]:
    tags = call.tags.get(id, {})
    return {f"{prefix}:ResourceTag/{key}": value for prefix in ("aws", "ec2") for key, value in tags.items()}


def typical(resource: str) -> str:
    """Return a resource of which there are many as one that stands for all: an image of a batch, or an instance."""
    text = re.sub(r"\bi-[0-9a-f]{17}\b", "i-0123456789abcdef0", resource)
    return re.sub(r"/\d{8}T\d{9}Z-[0-9a-f]{8}/(?:[^.]*)(.*)$", r"/20261124T101530123Z-9f2c01ab/image\1", text)
