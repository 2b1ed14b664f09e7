"""`elastiq deploy`: all of Elastiq in an account, made, changed or left as it is. The stack's state is the only one."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from botocore.exceptions import ClientError

from app import aws
from app.deploy.bundle import Bundle
from app.deploy.software import make_bundles
from app.deploy.stack import Change, Found, Say, Stack
from app.deploy.template import foundation, stored
from app.deploy.wheels import Target
from app.errors import ConfigurationError
from app.prices import prices
from app.settings import Settings

# What the template takes unless told; a test compares.
MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}
WORKERS, CONTROL = {"amd64": "c7i.large", "arm64": "c7g.large"}, {"amd64": "t3.small", "arm64": "t4g.small"}
# Ubuntu's Python on the hosts.
PYTHON = "3.12"
LOOK_S, WAIT_S = 3.0, 900.0
# A host that lives says so every minute.
LIVES_MS = 150_000


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked for.

    Attributes:
        name: of the stack, and what the names of everything begin with.
        parameters: the template's, those that are given.
        wait_s: seconds to wait for the page; 0 does not wait.
        python: the hosts', where it is not Ubuntu's own.
    """

    name: str
    parameters: dict[str, str]
    wait_s: float = WAIT_S
    python: str = PYTHON


def deploy(settings: Settings, wish: Wish, say: Say, agreed: Callable[[], bool], look_s: float = LOOK_S) -> bool:
    """Make the system, or change it to what is wished.

    Args:
        settings: the region, the model, and where models and bundles are kept.
        wish: what is asked for.
        say: is told each step.
        agreed: is asked once, when all is told that would be done.
        look_s: seconds between two looks at what happens.

    Returns:
        Whether all is as wished; false when it was not agreed to.

    Raises:
        ConfigurationError: AWS refuses, a parameter is wrong, or no host could be set up; the message says what to do.
        TransientError: AWS does not answer.
    """
    stack = Stack(settings.aws, wish.name, look_s)
    found = stack.find()
    given = {"NamePrefix": wish.name, **_model(settings, found), **wish.parameters}
    told = {**(found.parameters if found else {}), **given}
    if told["NamePrefix"] != wish.name:
        raise ConfigurationError("NamePrefix is the system's name: use --name")
    if found is None:
        made = _found_the_stack(settings, stack, told, say, agreed)
        if made is None:
            return False
        found, agreed = made, lambda: True
    bundles = _bundles(settings, told, wish.python, say)
    keys = {"WorkerBundle": bundles["worker"].key, "ControlBundle": bundles["control"].key}
    template = stored(settings, found.outputs["SoftwareBucket"])
    change, changes = stack.prepare(template, {**given, **keys}, new=False)
    if not changes:
        stack.forget(change, new=False)
        say("nothing to change")
        _make_default(settings, found)
        return True
    for line in summary(changes, told):
        say(line)
    if not agreed():
        stack.forget(change, new=False)
        return False
    _upload(settings, found.outputs["SoftwareBucket"], bundles, say)
    group, began_ms = found.outputs["LogGroup"], time.time() * 1000
    lives = _living(settings, group)
    try:
        stack.carry_out(change, say)
    except ConfigurationError as err:
        raise ConfigurationError(" ".join([str(err), *_failed(settings, group, began_ms)])) from err
    now = stack.find()
    assert now is not None
    _make_default(settings, now)
    if wish.wait_s and any(one.name in ("Control", "ControlTemplate") for one in changes):
        _await_page(settings, group, lives, began_ms, wish.wait_s, look_s, say)
    return True


def _model(settings: Settings, found: Found | None) -> dict[str, str]:
    """Return the model that the settings name; a system keeps its own where they name none but the default."""
    named = settings.engine.model
    return {} if found and named == type(settings.engine)().model else {"Model": named}


def _found_the_stack(
    settings: Settings, stack: Stack, told: dict[str, str], say: Say, agreed: Callable[[], bool]
) -> Found | None:
    """Make what there is before any host: the bucket that bundles go to, and all else that needs none."""
    stack.clear(say)
    adopted = dict(_left_buckets(settings, told))
    for parameter, bucket in adopted.items():
        say(f"the bucket {bucket} is there already and is taken on ({parameter})")
    change, changes = stack.prepare(foundation(), {**told, **adopted}, new=True)
    for line in summary(changes, told):
        say(line)
    if not agreed():
        stack.forget(change, new=True)
        return None
    if told.get("Spot", "true") == "true":
        _allow_spot(settings)
    stack.carry_out(change, say)
    return stack.find()


def _left_buckets(settings: Settings, told: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the buckets that an earlier system of this name has left, by the parameter that takes them on."""
    s3 = aws.client("s3", settings.aws)
    with aws.translated("asking whose account it is"):
        account = aws.client("sts", settings.aws).get_caller_identity()["Account"]
    for parameter, kind in (("InputBucket", "input"), ("OutputBucket", "output")):
        name = f"{told['NamePrefix']}-{kind}-{account}-{aws.region(settings.aws)}"
        with aws.translated(f"looking for the bucket {name!r}"):
            try:
                s3.head_bucket(Bucket=name)
            except ClientError as err:
                if aws.error_code(err) != "404":
                    raise
                continue
        if not told.get(parameter):
            yield parameter, name


def _allow_spot(settings: Settings) -> None:
    """Have the account's role for spot instances, which the first request of an account's life would need to make."""
    with aws.translated("making the account's role for spot instances"):
        try:
            aws.client("iam", settings.aws).create_service_linked_role(AWSServiceName="spot.amazonaws.com")
        except ClientError as err:
            if aws.error_code(err) not in ("InvalidInput", "EntityAlreadyExists"):  # it has been made
                raise


def _bundles(settings: Settings, told: dict[str, str], python: str, say: Say) -> dict[str, Bundle]:
    architecture = told.get("Architecture", "amd64")
    if architecture not in MACHINES:
        raise ConfigurationError(f"Architecture must be one of {', '.join(MACHINES)}, not {architecture!r}")
    of_model = replace(settings, engine=replace(settings.engine, model=told["Model"]))
    return make_bundles(of_model, Target(python, MACHINES[architecture]), say)


def _upload(settings: Settings, bucket: str, bundles: dict[str, Bundle], say: Say) -> None:
    s3 = aws.client("s3", settings.aws, read_timeout_s=60)
    for bundle in bundles.values():
        with aws.translated(f"storing {bundle.key!r} in bucket {bucket!r}"):
            try:
                s3.head_object(Bucket=bucket, Key=bundle.key)
                continue  # its name is its digest
            except ClientError as err:
                if aws.error_code(err) != "404":
                    raise
            say(f"{bundle.key}: {bundle.size / 1e6:.0f} MB to {bucket}")
            s3.upload_file(str(bundle.path), bucket, bundle.key)


def _make_default(settings: Settings, found: Found) -> None:
    """Have launches by hand take the newest version of the workers' template; the autoscaler is told its number."""
    template = found.outputs.get("WorkerTemplate")
    if not template:
        return
    ec2 = aws.client("ec2", settings.aws)
    with aws.translated("making the launch template's newest version the one that is launched"):
        (seen,) = ec2.describe_launch_templates(LaunchTemplateIds=[template])["LaunchTemplates"]
        if seen["DefaultVersionNumber"] != seen["LatestVersionNumber"]:
            ec2.modify_launch_template(LaunchTemplateId=template, DefaultVersion=str(seen["LatestVersionNumber"]))


def summary(changes: list[Change], told: dict[str, str]) -> list[str]:
    """Return what would be done, a line for each kind of thing, and what it costs from then on."""
    kinds = Counter((change.action, change.kind.removeprefix("AWS::")) for change in changes)
    verbs = {"Add": "make", "Modify": "change", "Remove": "remove"}
    lines = [f"{verbs.get(action, action)} {count} {kind}" for (action, kind), count in sorted(kinds.items())]
    return [*lines, *cost(told)]


def cost(told: dict[str, str]) -> list[str]:
    """Return what a system of these parameters costs while it is idle, and with all its instances."""
    known, architecture = prices(), told.get("Architecture", "amd64")
    disk, public = float(told.get("DiskGiB", 8)), bool(told.get("CertificateArn"))
    host = told.get("ControlInstanceType") or CONTROL.get(architecture, "")
    types = told.get("InstanceTypes", "").split(",")
    worker, most = types[0] or WORKERS.get(architecture, ""), int(told.get("MaxInstances", 19))
    try:
        idle = sum(known.idle_month(host, disk_gib=disk, public=public).values())
        full = [known.host_hour(worker, disk, spot=spot) * most for spot in (True, False)]
    except ConfigurationError as err:
        return [f"its cost is not known: {err}"]
    return [
        f"idle: about ${idle:.2f} a month (one {host}), and what is stored",
        f"all {most} instances ({worker}) at work: ${full[0]:.2f} an hour on spot, ${full[1]:.2f} on demand",
        f"prices of {known.region}, {known.as_of}, without tax; docs/cost.md has how they come about",
    ]


def _living(settings: Settings, group: str) -> set[str]:
    """Return the hosts, by their ids, whose web has said of late that it lives."""
    return {event["logStreamName"] for event in _said(settings, group, "web", time.time() * 1000 - LIVES_MS)}


def _said(settings: Settings, group: str, word: str, since_ms: float) -> list[dict[str, Any]]:
    """Return what hosts have logged with ``word`` in it."""
    client = aws.client("logs", settings.aws)
    with aws.translated(f"reading the log group {group!r}"):
        pages = client.get_paginator("filter_log_events").paginate(
            logGroupName=group, startTime=int(since_ms), filterPattern=f'"{word}"'
        )
        return [event for page in pages for event in page["events"]]


def _failed(settings: Settings, group: str, since_ms: float) -> list[str]:
    """Return what hosts have said that could not be set up."""
    told = (_parsed(event["message"]) for event in _said(settings, group, "host_setup_failed", since_ms))
    return [f"the host {one.get('instance')} could not be set up: {one.get('reason')}" for one in told]


def _await_page(
    settings: Settings, group: str, before: set[str], since_ms: float, wait_s: float, look_s: float, say: Say
) -> None:
    """Return once a host that did not live ``before`` says, or has said since, that its web does.

    Raises:
        ConfigurationError: a host could not be set up, or none was in time.
    """
    deadline = time.monotonic() + wait_s
    say("waiting for the host of web and autoscaler")
    while time.monotonic() < deadline:
        for event in _said(settings, group, "alive", since_ms):
            told = _parsed(event["message"])
            if event["logStreamName"] not in before and (told.get("event"), told.get("process")) == ("alive", "web"):
                say(f"the page is there, on {event['logStreamName']}")
                return
        for reason in _failed(settings, group, since_ms):
            raise ConfigurationError(reason)
        time.sleep(look_s)
    raise ConfigurationError(
        f"no host's page was there within {wait_s:.0f} s; look into the log group {group}, and into the group of hosts"
    )


def _parsed(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
