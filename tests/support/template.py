"""The template as data, its short forms written out: ``!Ref X`` is ``{"Ref": "X"}``."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import yaml

from app.deploy.bundle import ROOT

FILE = ROOT / "docker" / "aws" / "elastiq.yaml"


class _Loader(yaml.SafeLoader):
    pass


def _written_out(loader: yaml.SafeLoader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    name = suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}"
    if isinstance(node, yaml.ScalarNode):
        value: Any = loader.construct_scalar(node)
        return {name: value.split(".", 1) if suffix == "GetAtt" else value}
    if isinstance(node, yaml.SequenceNode):
        return {name: loader.construct_sequence(node, deep=True)}
    assert isinstance(node, yaml.MappingNode)
    return {name: loader.construct_mapping(node, deep=True)}


_Loader.add_multi_constructor("!", _written_out)


def load(text: str = "") -> dict[str, Any]:
    """Return the template, or what a text has that is one."""
    loaded: dict[str, Any] = yaml.load(text or FILE.read_text(), _Loader)
    return loaded


def resources(kind: str) -> dict[str, dict[str, Any]]:
    """Return the properties of all resources of a kind, by name."""
    found = load()["Resources"].items()
    return {name: resource.get("Properties", {}) for name, resource in found if resource["Type"] == kind}


def statements(effect: str = "Allow") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each statement of each policy of a role, with the role's name in the template."""
    found = [
        (name, policy["PolicyDocument"])
        for name, role in resources("AWS::IAM::Role").items()
        for policy in role["Policies"]
    ]
    found += [
        (role["Ref"], policy["PolicyDocument"])
        for policy in resources("AWS::IAM::Policy").values()
        for role in policy["Roles"]
    ]
    for name, document in found:
        yield from ((name, one) for one in document["Statement"] if one["Effect"] == effect)


def words(value: object) -> str:
    """Return all that a part of the template says, as one text to look into."""
    return json.dumps(value)


# What stands for what only an account knows.
SAMPLES: dict[str, Any] = {
    "AWS::Partition": "aws",
    "AWS::Region": "eu-central-1",
    "AWS::AccountId": "123456789012",
    "AWS::StackName": "elastiq",
    "NamePrefix": "elastiq",
    "Input": "elastiq-input",
    "Output": "elastiq-output",
    "Software": "elastiq-software",
    "Events": "arn:aws:sns:eu-central-1:123456789012:elastiq-tasks-events",
    "SourceBuckets": ["photos", "scans"],
    "WebhookSecretArn": "arn:aws:secretsmanager:eu-central-1:123456789012:secret:hooks-a1b2c3",
    "CompletionTopic": "arn:aws:sns:eu-central-1:123456789012:completions",
    "WorkerTemplate": "lt-0123456789abcdef0",
    "HostGroup": "sg-0123456789abcdef0",
    "Vpc": "vpc-0123456789abcdef0",
    "SubnetOne": "subnet-0123456789abcdef0",
    "SubnetTwo": "subnet-0123456789abcdef1",
    "Software.Arn": "arn:aws:s3:::elastiq-software",
    "Tasks.Arn": "arn:aws:sqs:eu-central-1:123456789012:elastiq-tasks",
    "Bulk.Arn": "arn:aws:sqs:eu-central-1:123456789012:elastiq-tasks-bulk",
    "DeadLetters.Arn": "arn:aws:sqs:eu-central-1:123456789012:elastiq-tasks-dead",
    "Logs.Arn": "arn:aws:logs:eu-central-1:123456789012:log-group:/elastiq/hosts:*",
    "WorkerRole.Arn": "arn:aws:iam::123456789012:role/elastiq-worker-eu-central-1",
    "HostRole.Arn": "arn:aws:iam::123456789012:role/elastiq-host-eu-central-1",
    "Input.Arn": "arn:aws:s3:::elastiq-input",
    "Output.Arn": "arn:aws:s3:::elastiq-output",
}


def rendered(part: Any) -> Any:
    """Return a part of the template with `SAMPLES` in it; of two choices it takes that of the defaults."""
    if isinstance(part, list):
        return [rendered(one) for one in part]
    if not isinstance(part, dict):
        return part
    if len(part) == 1:
        ((name, value),) = part.items()
        if name == "Ref":
            return SAMPLES[value]
        if name == "Fn::GetAtt":
            return SAMPLES[".".join(value)]
        if name == "Fn::If":
            return rendered(value[1])
        if name == "Fn::Join":
            return value[0].join(rendered(value[1]))
        if name == "Fn::Split":
            return rendered(value[1]).split(value[0])
        if name == "Fn::Sub":
            text, own = value if isinstance(value, list) else (value, {})
            known = {**SAMPLES, **{key: rendered(one) for key, one in own.items()}}
            return re.sub(r"\$\{([\w.:]+)\}", lambda found: str(known[found[1]]), text)
    return {name: rendered(value) for name, value in part.items()}


def policies() -> dict[str, dict[str, Any]]:
    """Return each policy of a role as it is rendered, by its name."""
    found = {
        f"{name} {policy['PolicyName']}": policy["PolicyDocument"]
        for name, role in resources("AWS::IAM::Role").items()
        for policy in role["Policies"]
    }
    found |= {policy["PolicyName"]: policy["PolicyDocument"] for policy in resources("AWS::IAM::Policy").values()}
    return {name: rendered(document) for name, document in found.items()}
