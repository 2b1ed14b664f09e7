"""`elastiq open`: the way to the page; where it is not public, a port of this machine through AWS's Session Manager."""

from __future__ import annotations

import json
import os
import shlex
import shutil
from collections.abc import Callable
from dataclasses import dataclass

from app import aws
from app.deploy.stack import Stack
from app.errors import ConfigurationError
from app.settings import Settings

PLUGIN = "session-manager-plugin"
DOCUMENT = "AWS-StartPortForwardingSession"
PAGE_PORT = "8000"


@dataclass(frozen=True, slots=True)
class Way:
    """How the page is reached: at an address, or at a local port through the host ``instance``."""

    address: str
    instance: str = ""
    port: int = 0

    def command(self, region: str) -> str:
        """Return what to type for it, with AWS's own command line."""
        parameters = json.dumps({"portNumber": [PAGE_PORT], "localPortNumber": [str(self.port)]})
        words = ["aws", "ssm", "start-session", "--region", region, "--target", self.instance]
        return shlex.join([*words, "--document-name", DOCUMENT, "--parameters", parameters])


def find_way(settings: Settings, name: str, port: int) -> Way:
    """Return how to reach the page of the system ``name``.

    Args:
        settings: the region.
        name: the stack's.
        port: of this machine, where the page is not public.

    Raises:
        ConfigurationError: there is no such system, or no host of it yet.
        TransientError: AWS does not answer.
    """
    found = Stack(settings.aws, name).find()
    if found is None:
        raise ConfigurationError(f"there is no system {name!r} in {aws.region(settings.aws)}; run `elastiq deploy`")
    if "Address" in found.outputs:
        return Way(found.outputs["Address"])
    group = found.outputs.get("ControlGroup", "")
    with aws.translated("looking for the host of the page"):
        answer = aws.client("autoscaling", settings.aws).describe_auto_scaling_groups(AutoScalingGroupNames=[group])
    members = [instance for one in answer["AutoScalingGroups"] for instance in one.get("Instances", [])]
    serving = [one["InstanceId"] for one in members if one["LifecycleState"] == "InService"]
    if not group or not serving:
        raise ConfigurationError(f"no host of {name!r} is in service yet; `elastiq deploy` waits for it")
    return Way(f"http://127.0.0.1:{port}", serving[-1], port)


def go(settings: Settings, way: Way, run: Callable[[str, list[str]], object] = os.execv) -> None:
    """Become the port's forwarding, which lasts until Ctrl-C.

    Args:
        settings: the region and the endpoint.
        way: through which host, to which port.
        run: takes over this process with a program and its arguments.

    Raises:
        ConfigurationError: the plugin that forwards is missing, or AWS refuses.
        TransientError: AWS does not answer.
    """
    plugin = shutil.which(PLUGIN)
    if plugin is None:
        raise ConfigurationError(
            f'{PLUGIN} is missing: AWS Systems Manager user guide, "Install the Session Manager plugin"; '
            f"or forward the port by another way: {way.command(aws.region(settings.aws))}"
        )
    asked = {
        "Target": way.instance,
        "DocumentName": DOCUMENT,
        "Parameters": {"portNumber": [PAGE_PORT], "localPortNumber": [str(way.port)]},
    }
    client = aws.client("ssm", settings.aws)
    with aws.translated(f"opening a session with {way.instance}"):
        session = client.start_session(**asked)
    told = {name: session[name] for name in ("SessionId", "StreamUrl", "TokenValue")}
    region = aws.region(settings.aws)
    arguments = [json.dumps(told), region, "StartSession", "", json.dumps(asked), client.meta.endpoint_url]
    run(plugin, [plugin, *arguments])
