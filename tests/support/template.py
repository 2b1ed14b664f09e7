"""The template as data, its short forms written out: ``!Ref X`` is ``{"Ref": "X"}``."""

from __future__ import annotations

import json
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


def load() -> dict[str, Any]:
    """Return the template."""
    loaded: dict[str, Any] = yaml.load(FILE.read_text(), _Loader)
    return loaded


def resources(kind: str) -> dict[str, dict[str, Any]]:
    """Return the properties of all resources of a kind, by name."""
    found = load()["Resources"].items()
    return {name: resource.get("Properties", {}) for name, resource in found if resource["Type"] == kind}


def statements() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each statement of each policy of a role, with the role's name in the template."""
    for name, role in resources("AWS::IAM::Role").items():
        for policy in role["Policies"]:
            yield from ((name, statement) for statement in policy["PolicyDocument"]["Statement"])
    for policy in resources("AWS::IAM::Policy").values():
        for role in policy["Roles"]:
            yield from ((role["Ref"], statement) for statement in policy["PolicyDocument"]["Statement"])


def words(value: object) -> str:
    """Return all that a part of the template says, as one text to look into."""
    return json.dumps(value)
