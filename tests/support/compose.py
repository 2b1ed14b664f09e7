"""Reads docker/compose.yml as Compose does, as far as that file goes: variables, merged keys, short forms."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from tests.support.workers import ROOT

FILE = ROOT / "docker" / "compose.yml"

_VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?:(?P<sign>:?-)(?P<default>[^}]*))?\}")


@dataclass(frozen=True)
class Service:
    """One service, as the file states it.

    Attributes:
        name: its name, by which the others reach it.
        target: of the Dockerfile, by the image's name.
        command: instead of the image's own; None for that.
        environment: beside the image's own.
        tmpfs: where it may write what does not last.
        volumes: name of the volume, path in the container.
        scale: how many there are.
        stop_grace_s: seconds between SIGTERM and SIGKILL.
        raw: everything.
    """

    name: str
    target: str
    command: list[str] | None
    environment: dict[str, str]
    tmpfs: list[str]
    volumes: list[tuple[str, str]]
    scale: int
    stop_grace_s: int
    raw: dict[str, Any]


def services(environment: Mapping[str, str]) -> dict[str, Service]:
    """Return the services of our own images by name, with what ``environment`` has put in for the file's variables."""
    found = _all(environment).items()
    return {name: _service(name, raw, environment) for name, raw in found if raw["image"].startswith("elastiq-")}


def others() -> dict[str, dict[str, Any]]:
    """Return the services of others' images by name, as the file states them."""
    return {name: raw for name, raw in _all({}).items() if not raw["image"].startswith("elastiq-")}


def _all(environment: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    text = FILE.read_text()
    found: dict[str, dict[str, Any]] = yaml.safe_load(_VARIABLE.sub(lambda match: _value(match, environment), text))
    return found["services"]


def _value(match: re.Match[str], environment: Mapping[str, str]) -> str:
    value = environment.get(match["name"])
    absent = value is None or (match["sign"] == ":-" and not value)
    return (match["default"] or "") if absent else str(value)


def _service(name: str, raw: dict[str, Any], environment: Mapping[str, str]) -> Service:
    told = {key: environment.get(key) if value is None else value for key, value in raw.get("environment", {}).items()}
    return Service(
        name,
        raw["image"].removeprefix("elastiq-"),
        raw.get("command"),
        {key: str(value) for key, value in told.items() if value is not None},
        raw.get("tmpfs", []),
        [tuple(volume.split(":", 1)) for volume in raw.get("volumes", [])],
        raw.get("scale", 1),
        int(raw.get("stop_grace_period", "10s").removesuffix("s")),
        raw,
    )
