"""The `elastiq` command. The one module that may see every tier; it imports a tier only to run it."""

from __future__ import annotations

import json
import os
import shlex
import signal
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from app.access.commands import keys, password
from app.account.commands import dead_letters, provision, status
from app.client.commands import address_of, batch, connected
from app.errors import ElastiqError
from app.process import logs
from app.settings import Settings, settings

if TYPE_CHECKING:
    from app.account.doctor.findings import Finding

_CLASSIFY_ENDS = """\b
Exit status:
  0    every image got a label
  1    an image failed, or a file was refused, left out or not answered for
  2    nothing could be done: usage, settings, no file, no web tier
  3    the web tier was lost on the way
  130  interrupted
"""
_FILE = click.Path(dir_okay=False, writable=True, path_type=Path)


class _Command(click.Group):
    """A group whose commands end with one clear line, not a traceback, on an error that we foresaw."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except ElastiqError as err:
            click.echo(f"elastiq: {err}", err=True)
            sys.exit(2)
        except KeyboardInterrupt:
            sys.exit(130)  # as shells have it: 128 and the signal


@click.group(cls=_Command, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Classify images on AWS, at whatever rate they arrive."""
    logs.configure(
        settings().process.log_format, sys.stdout if settings().process.log_stream == "stdout" else sys.stderr
    )


@main.command()
@click.option("--flower", is_flag=True, help="Run Flower too, at FLOWER_PORT (5555), with a password that is printed.")
def up(flower: bool) -> None:
    """Run everything on this machine: embedded cloud, web, autoscaler, and workers as needed."""
    from app.local.stack import up

    sys.exit(up(settings(), with_flower=flower))


@main.command()
def web() -> None:
    """Run the web tier: the page and the HTTP API."""
    from web.server import serve

    serve(settings())


@main.command()
@click.option("--held", is_flag=True, hidden=True)
def worker(held: bool) -> None:
    """Run one worker; it leaves by itself after ELASTIQ_IDLE_SECONDS without work."""
    # The same as `celery -A tasks worker`, in this process, so that its exit status is the worker's.
    from tasks.worker.beginning import run

    sys.exit(run(settings(), held=held))


@main.command()
@click.argument("trace", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--rate", type=click.FloatRange(0.01, 1e5), help="Images per second of an instance, as you measured it.")
@click.option("--ceiling", type=click.IntRange(1, 1000), default=19, show_default=True, help="Instances at most.")
def plan(trace: Path, rate: float | None, ceiling: int) -> None:
    """Say what the traffic of TRACE (CSV: second,requests) would cost a month, and how late it would be."""
    from autoscaler.simulator.plan import offers, plans, words
    from autoscaler.simulator.trace import read_rows, read_trace

    rows = read_rows(trace)
    span_s = rows[-1].until - rows[0].second
    said = plans(
        read_trace(trace), span_s, offers(rate), ceiling, lambda what: click.echo(f"simulating {what}", err=True)
    )
    click.echo(words(said))


@main.command()
def autoscaler() -> None:
    """Run the autoscaler: it reads the queue's depth and starts instances."""
    from autoscaler.service import run

    run(settings())


@main.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to bind to.")
@click.option("--port", default=4566, show_default=True, type=click.IntRange(1, 65535), help="The port to listen on.")
def cloud(host: str, port: int) -> None:
    """Run the embedded cloud alone: SQS, S3 and SNS, with its data in the data directory."""
    from app.local.cloud import serve

    serve(Path(settings().local.data_dir) / "cloud", host, port)


@main.command(context_settings={"ignore_unknown_options": True}, add_help_option=False)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def flower(arguments: tuple[str, ...]) -> None:
    """Run Flower, Celery's own monitor, on the workers; ARGUMENTS are Flower's, such as --address and --port.

    It binds to loopback unless told otherwise, and forgets workers ten minutes after they have gone; Flower's own
    defaults are others.
    """
    from celery.bin.celery import main as celery

    from app.local.flower import joined

    os.environ.setdefault("FLOWER_ADDRESS", "127.0.0.1")
    os.environ.setdefault("FLOWER_PURGE_OFFLINE_WORKERS", "600")
    # Without a log of its own, Flower's lines go where this process's do.
    sys.argv = ["celery", "-A", "tasks", "flower", "--logging=none", *joined(arguments)]
    sys.exit(celery())


class _Place(click.Path):
    """A path that is there, or an address in S3."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return value if str(value).startswith("s3://") else super().convert(value, param, ctx)


@main.command(epilog=_CLASSIFY_ENDS)
@click.argument("paths", nargs=-1, required=True, type=_Place(exists=True, readable=False, allow_dash=True))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line instead of (path, label).")
@connected(patience_s=300.0)
@click.option("--resume", default="", metavar="BATCH", help="Send only what this batch, an id or an address, has not.")
@click.option("--direct", is_flag=True, help="Send files straight to the bucket, where the server lets them.")
@click.option("--csv", type=_FILE, metavar="FILE", help="Write a table for spreadsheets, too.")
@click.option("--jsonl", type=_FILE, metavar="FILE", help="Write a JSON object a line, too.")
@click.option(
    "--report", type=_FILE, metavar="FILE", help="Write a page in HTML with a small picture of each file, too."
)
def classify(
    paths: tuple[str, ...],
    as_json: bool,
    url: str | None,
    patience_s: float,
    key: str | None,
    resume: str,
    direct: bool,
    **wishes: Path | None,
) -> None:
    """Classify image files, or all in a folder, through a running web tier; `-` is standard input.

    s3://BUCKET/PREFIX, alone, is what is in S3 already: a glob if it has a `*`, a manifest if it ends in `.jsonl`.
    Where its results are is printed once it is complete; with --resume, a batch of it is followed again.

    Prints a line for each image as its label is known, with the path that it was given. The batch's address, what
    is waited for and what went wrong go to standard error.
    """
    from app.client.batches import named
    from app.client.classify import Wishes, classify
    from app.client.in_place import SCHEME, classify_in_place
    from app.client.remote import Remote

    address = address_of(url)
    if any(path.startswith(SCHEME) for path in paths):
        if len(paths) > 1 or direct or any(wishes.values()):
            raise click.UsageError(f"{SCHEME} stands alone: its results stay in S3; `elastiq batch results` gets them")
        remote = Remote(address, patience_s, partial(click.echo, err=True), key)
        sys.exit(classify_in_place(paths[0], remote, as_json=as_json, resume=named(resume)))
    sys.exit(
        classify(
            paths,
            address,
            as_json=as_json,
            patience_s=patience_s,
            key=key,
            resume=resume,
            direct=direct,
            wishes=Wishes(**wishes),
        )
    )


@main.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
@click.option(
    "--role",
    "roles",
    multiple=True,
    type=click.Choice(["web", "worker", "autoscaler"]),
    help="Whose permissions to try, and with `worker` whether its model is there.  [default: all three]",
)
@click.option(
    "--queue", "measures", is_flag=True, help="Measure how SQS counts and orders, on a queue that is deleted."
)
@click.option("--seconds", default=60.0, show_default=True, type=click.FloatRange(1, 3600), help="For --queue.")
def doctor(as_json: bool, roles: tuple[str, ...], measures: bool, seconds: float) -> None:
    """Look at all that Elastiq needs of the account and of this host, and say what to do where it is not so.

    Exit status: 0 when nothing is wrong, 1 when something is, 2 when it could not be done.
    """
    from app.account.doctor import checks, lag

    if measures:
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends it as Ctrl-C does, so the queue is deleted
        found = lag.measure(settings(), seconds, lambda step: click.echo(step, err=True)).to_json()
        click.echo(json.dumps(found) if as_json else "\n".join(f"{name:<13} {value}" for name, value in found.items()))
        return
    roles = roles or ("web", "worker", "autoscaler")
    states = set()
    for finding in checks.look(settings(), roles, (_model,) if "worker" in roles else ()):
        states.add(finding.state)
        click.echo(json.dumps(finding.to_json()) if as_json else str(finding))
    sys.exit(1 if "FAIL" in states else 0)


def _model() -> Finding:
    """Find whether this host can run the model."""
    from app.account.doctor.findings import bad, unknown, well

    try:
        from tasks.engine import load

        engine = load(config=settings())
    except ModuleNotFoundError as err:
        return unknown("model", f"this host has no {err.name}, as only workers need it")
    except ElastiqError as err:
        return bad("model", str(err))
    return well(
        "model", f"{engine.name} in {engine.runner.precision}, {len(engine.labels)} labels, {engine.runner.runtime}"
    )


for command in (provision, status, dead_letters, keys, password, batch):
    main.add_command(command)


@main.command()
@click.option("--machine", default="x86_64", show_default=True, type=click.Choice(["x86_64", "aarch64"]))
@click.option("--python", default="3.12", show_default=True, help="The hosts' Python.")
def bundle(machine: str, python: str) -> None:
    """Make the bundles of software that hosts on EC2 fetch, in the data directory."""
    from app.deploy.software import make_bundles
    from app.deploy.wheels import Target

    for made in make_bundles(settings(), Target(python, machine), lambda step: click.echo(step, err=True)).values():
        click.echo(f"{made.path}  {made.size / 1e6:.1f} MB")


@main.command()
@click.option("--name", default="elastiq", show_default=True, help="The system's name.")
@click.option("--region", default="", help="The AWS region.  [default: that of the environment]")
@click.option("--parameter", "parameters", multiple=True, metavar="KEY=VALUE", help="One of the template's parameters.")
@click.option("--source-buckets", metavar="NAMES", help="The parameter SourceBuckets, with commas between.")
@click.option("--webhook-hosts", metavar="HOSTS", help="The parameter WebhookHosts, with commas between.")
@click.option("--webhook-secret", metavar="ARN", help="The parameter WebhookSecretArn.")
@click.option("--completion-topic", metavar="ARN", help="The parameter CompletionTopic.")
@click.option("--wait", default=900, show_default=True, help="Seconds to wait for the page; 0 does not.")
@click.option("--python", default="3.12", hidden=True, help="The hosts' Python, if not Ubuntu's.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def deploy(
    name: str,
    region: str,
    parameters: tuple[str, ...],
    source_buckets: str | None,
    webhook_hosts: str | None,
    webhook_secret: str | None,
    completion_topic: str | None,
    wait: int,
    python: str,
    yes: bool,
) -> None:
    """Make the whole system in an AWS account, or upgrade it; what is as it should be is left alone.

    Exit status: 0 when it is there, 1 when you did not agree, 2 when it could not be done.
    """
    from app.deploy.deploy import Wish, deploy

    named = {
        "SourceBuckets": source_buckets,
        "WebhookHosts": webhook_hosts,
        "WebhookSecretArn": webhook_secret,
        "CompletionTopic": completion_topic,
    }
    given = {key: value for key, value in named.items() if value is not None}
    given |= dict(_split(parameter) for parameter in parameters)
    wish = Wish(name, given, wait, python)
    if not deploy(_in_region(region), wish, click.echo, lambda: yes or click.confirm("do it?")):
        sys.exit(1)
    click.echo(f"elastiq open{'' if name == 'elastiq' else f' --name {name}'} leads to the page")


@main.command()
@click.option("--name", default="elastiq", show_default=True, help="The system's name.")
@click.option("--region", default="", help="The AWS region.  [default: that of the environment]")
@click.option("--force", is_flag=True, help="Though images wait: they stay without a result.")
@click.option("--data", is_flag=True, help="Delete images and results too.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def destroy(name: str, region: str, force: bool, data: bool, yes: bool) -> None:
    """End the system in an AWS account, and all of it that costs money; buckets with content stay.

    Exit status: 0 when it is gone, 1 when you did not agree, 2 when it could not be done.
    """
    from app.deploy.destroy import destroy

    def agreed() -> bool:
        return yes or bool(click.confirm("do it?", abort=True))

    for line in destroy(_in_region(region), name, click.echo, agreed, force=force, data=data):
        click.echo(f"left: {line}")


@main.command("open")
@click.option("--name", default="elastiq", show_default=True, help="The system's name.")
@click.option("--region", default="", help="The AWS region.  [default: that of the environment]")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(1, 65535), help="The port here.")
@click.option("--print", "print_only", is_flag=True, help="Only print the address, and the command that leads to it.")
def open_page(name: str, region: str, port: int, print_only: bool) -> None:
    """Lead to the page of the system in an AWS account, through a port of this machine where it is not public."""
    from app.aws import region as resolved
    from app.deploy.open import find_way, go

    where = _in_region(region)
    way = find_way(where, name, port)
    click.echo(way.address)
    if way.instance and print_only:
        click.echo(way.command(resolved(where.aws)))
    elif way.instance:
        go(where, way)


def _in_region(region: str) -> Settings:
    """Return the settings, in another region if one is named."""
    return replace(settings(), aws=replace(settings().aws, region=region)) if region else settings()


def _split(parameter: str) -> tuple[str, str]:
    key, equals, value = parameter.partition("=")
    if not equals:
        raise click.BadParameter(f"{parameter!r} is not KEY=VALUE")
    return key, value


@main.command()
def env() -> None:
    """Print the variables with which other programs use the running embedded cloud: eval "$(elastiq env)"."""
    from app.local.stack import read_environment

    for name, value in read_environment(Path(settings().local.data_dir)).items():
        click.echo(f"export {name}={shlex.quote(value)}")


if __name__ == "__main__":
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    main()
