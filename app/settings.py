"""Every setting, read once from the environment into one frozen value.

A field's metadata names its variable and says what it is for; docs/settings.md is held to this list by a test.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import Any

from app.errors import ConfigurationError

# A text's allowed form, and how to say it: `(pattern, words)`.
_BUCKET = (
    r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]",
    "3 to 63 of a-z, 0-9, '-' and '.', beginning and ending with one of a-z, 0-9",
)
_BUCKETS = (rf"{_BUCKET[0]}(\s*,\s*{_BUCKET[0]})*", "buckets' names with commas between them")
_QUEUE = (r"[A-Za-z0-9_-]{1,75}", "1 to 75 of A-Z, a-z, 0-9, '-' and '_'")
_REGION = (r"[a-z0-9-]{1,63}", "a region's name, such as eu-central-1")
_URL = (r"https?://[^\s/?#]+/?", "an address such as http://127.0.0.1:4566")
_ORIGINS = (
    r"\s*https?://[^\s/?#,*]+\s*(,\s*https?://[^\s/?#,*]+\s*)*",
    "pages' origins such as https://images.example.com, with commas between",
)
_URL_PATH = (r"https?://[^\s?#]+", "a queue's address such as https://sqs.eu-central-1.amazonaws.com/123456789012/name")
_ARN = (r"arn:[^\s:]+:sns:[^\s:]+:\d{12}:\S+", "a topic's ARN such as arn:aws:sns:eu-central-1:123456789012:name")
_AUTH = (
    r"off|(keys|basic|proxy|oidc)(,(keys|basic|proxy|oidc))*",
    "off, or one or more of keys, basic, proxy, oidc, with commas between",
)
_SECRET = (r".{32,}", "32 characters or more, such as `openssl rand -hex 32` prints")
_STORAGE = (r"[a-z+]+://\S*", "an address such as memory:// or redis://host:6379")
_HOSTS = (
    r"\s*(https?://)?[A-Za-z0-9.:\[\]-]+\s*(,\s*(https?://)?[A-Za-z0-9.:\[\]-]+\s*)*",
    "hosts such as hooks.example.com:8443, with commas between",
)
_LOG_FORMAT = (r"auto|json|text", "auto, json or text")
_LOG_STREAM = (r"stderr|stdout", "stderr or stdout")
_ENGINE = (r"openvino|torch", "openvino or torch")
_PRECISION = (r"auto|bf16|fp16|fp32|int8", "auto, bf16, fp16, fp32 or int8")


def _setting(variable: str, default: Any, help: str, *, secret: bool = False, **bounds: Any) -> Any:
    metadata = {"variable": variable, "help": help, "secret": secret, **bounds}
    return field(default=default, repr=not secret, metadata=metadata)


@dataclass(frozen=True, slots=True)
class AwsSettings:
    """Where AWS is."""

    region: str = _setting(
        "AWS_REGION",
        "",
        "The AWS region; else AWS_DEFAULT_REGION, then what AWS's own files and `AWS_PROFILE` say, then us-east-1.",
        form=_REGION,
    )
    endpoint_url: str = _setting(
        "AWS_ENDPOINT_URL", "", "Where AWS is, when it is not AWS: the embedded cloud's address.", form=_URL
    )


@dataclass(frozen=True, slots=True)
class BucketSettings:
    """Where images and results are."""

    input: str = _setting("ELASTIQ_INPUT_BUCKET", "elastiq-input", "The bucket that holds the images.", form=_BUCKET)
    output: str = _setting(
        "ELASTIQ_OUTPUT_BUCKET", "elastiq-output", "The bucket that holds the results.", form=_BUCKET
    )
    allowed: str = _setting(
        "ELASTIQ_SOURCE_BUCKETS",
        "",
        "Other buckets, comma-separated, whose objects a batch may be made of; no other is ever read.",
        form=_BUCKETS,
    )

    @property
    def sources(self) -> frozenset[str]:
        """Return the buckets, beside the one of uploads, whose objects may be classified where they are."""
        return frozenset(filter(None, map(str.strip, self.allowed.split(","))))


@dataclass(frozen=True, slots=True)
class QueueSettings:
    """What carries tasks and events."""

    name: str = _setting(
        "ELASTIQ_QUEUE",
        "elastiq-tasks",
        "The task queue's name; its dead-letter queue is this and `-dead`.",
        form=_QUEUE,
    )
    url: str = _setting(
        "ELASTIQ_QUEUE_URL",
        "",
        "The task queue's address: with it, the queue is never looked up or made.",
        form=_URL_PATH,
    )
    bulk_url: str = _setting(
        "ELASTIQ_BULK_QUEUE_URL",
        "",
        "The bulk queue's address, where `ELASTIQ_QUEUE_URL` is set; without it all goes by the task queue.",
        form=_URL_PATH,
    )
    topic_arn: str = _setting(
        "ELASTIQ_TOPIC_ARN", "", "The SNS topic for events, by its ARN: with it, the topic is never made.", form=_ARN
    )
    listen: bool = _setting(
        "ELASTIQ_LISTEN",
        True,
        "Whether a process makes an SQS queue of its own to hear events and remote control; 0 without the right to.",
    )

    @property
    def bulk(self) -> str:
        """Return the name of the queue of what may wait; nothing where there is none."""
        return "" if self.url and not self.bulk_url else f"{self.name}-bulk"

    @property
    def topic(self) -> str:
        """Return the name of the SNS topic that carries events."""
        return f"{self.name}-events"

    @property
    def listener_prefix(self) -> str:
        """Return what the names of this system's listeners' queues begin with; the sweep finds them by it."""
        return f"{self.name}-on-"


@dataclass(frozen=True, slots=True)
class WebSettings:
    """The web tier."""

    host: str = _setting(
        "ELASTIQ_HOST", "127.0.0.1", "The address that the web tier binds to; loopback unless told otherwise."
    )
    port: int = _setting("ELASTIQ_PORT", 8000, "The web tier's port; 0 takes a free one.", low=0, high=65535)
    threads: int = _setting(
        "ELASTIQ_WEB_THREADS",
        256,
        "Requests that one web process serves at once; event streams, of pages that are open, take none of them.",
        low=8,
        high=4096,
    )
    streams: int = _setting(
        "ELASTIQ_WEB_STREAMS",
        5000,
        "Event streams that one web process holds open at once: each page that is open has one.",
        low=1,
        high=100_000,
    )
    wait_s: float = _setting(
        "ELASTIQ_WAIT_SECONDS",
        300.0,
        "Seconds that a `POST /` waits for its image's label, through a cold start too.",
        low=1,
    )
    interactive_images: int = _setting(
        "ELASTIQ_INTERACTIVE_IMAGES",
        200,
        "Images of a batch that go before all that waits in the bulk queue; what else is uploaded to it waits there.",
        low=0,
    )
    direct_uploads: str = _setting(
        "ELASTIQ_DIRECT_UPLOADS",
        "",
        "The page's origins, with commas between, such as `https://images.example.com`: files may go straight to the "
        "input bucket; unless told all go through the web tier.",
        form=_ORIGINS,
    )
    trusted_proxies: int = _setting(
        "ELASTIQ_TRUSTED_PROXIES",
        0,
        "Proxies before the web tier whose `X-Forwarded-Proto`, `-Host` and `-Prefix` are believed; 0: nobody's are.",
        low=0,
        high=10,
    )

    @property
    def direct_origins(self) -> list[str]:
        """Return the origins of the page whose files go straight to the input bucket; none: all go through web."""
        return [origin for text in self.direct_uploads.split(",") if (origin := text.strip())]


@dataclass(frozen=True, slots=True)
class HookSettings:
    """Who is told that a batch is complete."""

    hosts: str = _setting(
        "ELASTIQ_WEBHOOK_HOSTS",
        "",
        "The hosts that webhooks may go to, with commas between: `host` or `host:port` for https, `http://host:port`; "
        "unless told there are no webhooks.",
        form=_HOSTS,
    )
    secret: str = _setting(
        "ELASTIQ_WEBHOOK_SECRET",
        "",
        "What webhooks are signed with, which their receivers know too; or the ARN under which AWS Secrets Manager has "
        "it.",
        secret=True,
    )
    topic_arn: str = _setting(
        "ELASTIQ_COMPLETION_TOPIC_ARN",
        "",
        "An SNS topic that hears of every batch that is complete, by its ARN; unless told there is none.",
        form=_ARN,
    )

    @property
    def secret_arn(self) -> str:
        """Return where AWS Secrets Manager has the secret; empty where it is told itself."""
        return self.secret if re.match("arn:[^:]+:secretsmanager:", self.secret) else ""


@dataclass(frozen=True, slots=True)
class AccessSettings:
    """Who may use the web tier."""

    auth: str = _setting(
        "ELASTIQ_AUTH",
        "",
        "How callers show who they are: one or more of `keys`, `basic`, `proxy`, `oidc`, with commas between; `off`: "
        "nobody is asked. Unless told nobody is, on loopback; elsewhere it must be told.",
        form=_AUTH,
    )
    users: str = _setting(
        "ELASTIQ_AUTH_USERS", "", "`basic`: a file with a line for each user, as `elastiq password NAME` prints it."
    )
    header: str = _setting(
        "ELASTIQ_AUTH_HEADER", "X-Forwarded-User", "`proxy`: the header in which the proxy says who calls."
    )
    proxies: str = _setting(
        "ELASTIQ_AUTH_PROXIES",
        "",
        "`proxy`: the addresses and networks of proxies that are believed, with commas between; nobody else is.",
    )
    operator_list: str = _setting(
        "ELASTIQ_OPERATORS",
        "",
        "Who of those that sign in may operate too, such as `basic:alice,proxy:bob`; a key's scopes say it of the key.",
    )
    shared: bool = _setting(
        "ELASTIQ_SHARED_BATCHES",
        False,
        "`1`: who knows a batch's address may see it and add to it, whoever made it; else its owner and operators.",
    )
    issuer: str = _setting(
        "ELASTIQ_OIDC_ISSUER", "", "`oidc`: the provider's address, as it calls itself.", form=_URL_PATH
    )
    client_id: str = _setting("ELASTIQ_OIDC_CLIENT_ID", "", "`oidc`: what the web tier is called there.")
    client_secret: str = _setting(
        "ELASTIQ_OIDC_CLIENT_SECRET", "", "`oidc`: by what it shows that it is that.", secret=True
    )
    cookie_secret: str = _setting(
        "ELASTIQ_COOKIE_SECRET",
        "",
        "`oidc`: what sign-ins' cookies are signed with, the same in all web processes; another ends all sign-ins.",
        form=_SECRET,
        secret=True,
    )
    hosts: str = _setting(
        "ELASTIQ_HOSTS",
        "",
        "Names by which the web tier may be called, with commas between; unless told any, but on loopback, where "
        "nobody is asked, loopback's alone.",
    )

    @property
    def ways(self) -> tuple[str, ...]:
        """Return how callers may show who they are; none: nobody is asked."""
        return () if self.auth in ("", "off") else tuple(dict.fromkeys(self.auth.split(",")))

    @property
    def operators(self) -> frozenset[str]:
        """Return the identities of those who may operate."""
        return frozenset(part.strip() for part in self.operator_list.split(",") if part.strip())


@dataclass(frozen=True, slots=True)
class LimitSettings:
    """How much one caller may ask of a web process, where callers show who they are."""

    requests: int = _setting(
        "ELASTIQ_LIMIT_REQUESTS", 20_000, "Requests of one caller in a minute; 0: any number.", low=0
    )
    bytes: int = _setting(
        "ELASTIQ_LIMIT_BYTES", 100_000_000_000, "Bytes that one caller may send in an hour; 0: any number.", low=0
    )
    images: int = _setting(
        "ELASTIQ_LIMIT_IMAGES",
        200_000,
        "Images of one caller that may wait before more are taken; 0: any number.",
        low=0,
    )
    streams: int = _setting(
        "ELASTIQ_LIMIT_STREAMS", 100, "Event streams that one caller may have open at once; 0: any number.", low=0
    )
    storage: str = _setting(
        "ELASTIQ_LIMITS_STORAGE",
        "memory://",
        "Where requests and bytes are counted: in each web process by itself, or for all of them at an address such as "
        "`redis://host:6379`, which needs the extra `redis`.",
        form=_STORAGE,
        secret=True,  # there may be a password in it
    )


@dataclass(frozen=True, slots=True)
class ImageSettings:
    """Which images are taken, at the door and in the worker."""

    max_file_bytes: int = _setting(
        "ELASTIQ_MAX_FILE_BYTES", 20_000_000, "The largest image file taken, in bytes.", low=1
    )
    max_pixels: int = _setting(
        "ELASTIQ_MAX_PIXELS", 100_000_000, "The largest image taken, in pixels, read from its header.", low=1
    )


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """The classifier and what runs it."""

    model: str = _setting(
        "ELASTIQ_MODEL",
        "efficientnet_lite0",
        "The classifier: `efficientnet_lite0`, `1` or `2`, or one of torchvision or timm by name.",
    )
    kind: str = _setting(
        "ELASTIQ_ENGINE", "openvino", "What runs the model: `openvino`, or `torch` for a GPU.", form=_ENGINE
    )
    precision: str = _setting(
        "ELASTIQ_PRECISION",
        "auto",
        "`fp32`, `bf16`, `fp16`, `int8`, or `auto`: the cheapest, as measured on this very host.",
        form=_PRECISION,
    )
    weights: str = _setting(
        "ELASTIQ_WEIGHTS", "", "A file with the model's weights (a state dict), instead of its published ones."
    )
    labels: str = _setting("ELASTIQ_LABELS", "", "A JSON list of class names, instead of the model's own.")
    preprocessing: str = _setting(
        "ELASTIQ_PREPROCESSING",
        "",
        "A JSON file that says how an image becomes the input, instead of the model's own way; "
        "`none` keeps the image's size and values.",
    )
    calibration: str = _setting(
        "ELASTIQ_CALIBRATION",
        "",
        "A folder of photographs that a build calibrates and judges int8 on, instead of scikit-image's; "
        "`none` builds no int8.",
    )
    minibatch: int = _setting(
        "ELASTIQ_MINIBATCH", 32, "The torch engine: images that it takes at once at most.", low=1, high=1024
    )
    minibatch_wait_s: float = _setting(
        "ELASTIQ_MINIBATCH_SECONDS",
        0.005,
        "The torch engine: seconds that an image waits for others to go with it.",
        low=0,
        high=1,
    )
    model_dir: str = _setting(
        "ELASTIQ_MODEL_DIR", "", "Where built models are kept; `models` in the data directory unless told."
    )


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """One worker process."""

    concurrency: int = _setting(
        "ELASTIQ_CONCURRENCY", 12, "Images that one worker has in hand at once.", low=1, high=256
    )
    poll_wait_s: int = _setting(
        "ELASTIQ_POLL_SECONDS",
        20,
        "How long a poll of an empty queue waits for a message; a stop may take as long. `elastiq up` takes 2.",
        low=0,
        high=20,
    )
    instance_id: str = _setting(
        "ELASTIQ_INSTANCE_ID",
        "",
        "The instance that a worker runs on: its node name begins with it, and an EC2 id has it heed EC2's notices.",
    )
    idle_s: float = _setting(
        "ELASTIQ_IDLE_SECONDS", 30.0, "Seconds without work after which a worker leaves; 0 means never.", low=0
    )
    heed_rebalance: bool = _setting(
        "ELASTIQ_HEED_REBALANCE",
        False,
        "EC2: 1 has a worker leave when EC2 recommends to replace its instance; it leaves before a real end anyway.",
    )


@dataclass(frozen=True, slots=True)
class AutoscalerSettings:
    """How many instances there are."""

    policy: str = _setting(
        "ELASTIQ_POLICY",
        "deadline",
        "How many instances: `deadline` is as few as keep the target, `seed` one per outstanding image.",
    )
    target_s: float = _setting(
        "ELASTIQ_TARGET_SECONDS", 60.0, "`deadline`: seconds from an image's upload to its result.", low=1
    )
    min_billed_s: float = _setting(
        "ELASTIQ_MIN_BILLED_SECONDS",
        60.0,
        "Seconds from its launch within which no instance that works is asked to leave; EC2 bills a minute at least.",
        low=0,
    )
    rest_s: float = _setting(
        "ELASTIQ_REST_SECONDS",
        0.0,
        "`deadline`: where one instance has little to do, it leaves until an image is so old, in seconds; 0: it stays.",
        low=0,
    )
    boot_limit_s: float = _setting(
        "ELASTIQ_BOOT_LIMIT_SECONDS",
        300.0,
        "An instance whose worker was not heard so many seconds after its launch is lost, and ended; where boots are "
        "slow, three times what they took.",
        low=1,
    )
    max_instances: int = _setting(
        "ELASTIQ_MAX_INSTANCES",
        19,
        "The fleet's ceiling; `elastiq up` takes the number of cores unless told.",
        low=1,
        high=1000,
    )
    min_instances: int = _setting(
        "ELASTIQ_MIN_INSTANCES",
        0,
        "Instances that are there at least, also with nothing to do; 0: idle ones leave.",
        low=0,
        high=1000,
    )
    schedule: str = _setting(
        "ELASTIQ_SCHEDULE",
        "",
        "When it is another number, such as `Mon-Fri 08:00-18:00 Europe/Berlin = 2; * 22:00-06:00 = 1`.",
    )
    buffer: int = _setting(
        "ELASTIQ_BUFFER",
        0,
        "Instances beyond what is needed, as long as a floor or its schedule wants any.",
        low=0,
        high=1000,
    )
    price_usd: float = _setting(
        "ELASTIQ_PRICE",
        0.0,
        "Dollars that an hour of an instance costs; 0: what `app/prices.json` says of its type.",
        low=0,
    )
    daily_budget_h: float = _setting(
        "ELASTIQ_DAILY_BUDGET",
        0.0,
        "Instance-hours of a day, UTC, after which nothing is launched until the next; 0: no matter how many.",
        low=0,
    )
    watch_only: bool = _setting(
        "ELASTIQ_WATCH_ONLY",
        False,
        "`1`: start and stop no instance, since others do; observe all the same, and tell what the policy would do.",
    )
    observe_s: float = _setting("ELASTIQ_OBSERVE_SECONDS", 2.0, "Seconds between two looks at the queue.", low=0.1)
    republish_s: float = _setting(
        "ELASTIQ_REPUBLISH_SECONDS",
        60.0,
        "Seconds that the queue must stand empty, twice, before images without outcome are published again; 0: never.",
        low=0,
    )


@dataclass(frozen=True, slots=True)
class Ec2Settings:
    """What an instance is, when it is one of EC2's."""

    launch_template: str = _setting(
        "ELASTIQ_LAUNCH_TEMPLATE", "", "EC2: the launch template that instances are started from."
    )
    launch_template_version: str = _setting(
        "ELASTIQ_LAUNCH_TEMPLATE_VERSION",
        "$Default",
        "EC2: its version; with a number, instances of an older one are replaced while they work.",
    )
    subnets: str = _setting("ELASTIQ_SUBNETS", "", "EC2: subnets to launch in, comma-separated, tried in order.")
    instance_types: str = _setting(
        "ELASTIQ_INSTANCE_TYPES",
        "",
        "EC2: instance types to launch, comma-separated, tried in order; the launch template's own unless told.",
    )
    spot: bool = _setting("ELASTIQ_SPOT", False, "EC2: 1 launches spot instances, and on demand where there are none.")
    spot_interruptions: int = _setting(
        "ELASTIQ_SPOT_INTERRUPTIONS",
        0,
        "EC2: spot interruptions within `ELASTIQ_SPOT_WINDOW` that have launches be on demand for an hour; 0: never.",
        low=0,
        high=1000,
    )
    spot_window_min: float = _setting(
        "ELASTIQ_SPOT_WINDOW", 10.0, "EC2: minutes within which spot interruptions are counted.", low=1, high=60
    )
    fleet: str = _setting("ELASTIQ_FLEET", "elastiq", "EC2: the tag by which this fleet's instances are known.")


@dataclass(frozen=True, slots=True)
class LocalSettings:
    """Everything on one machine."""

    data_dir: str = _setting(
        "ELASTIQ_DATA_DIR", ".elastiq", "Where `elastiq up` keeps the embedded cloud, logs and models."
    )
    cloud_port: int = _setting(
        "ELASTIQ_CLOUD_PORT", 0, "The embedded cloud's port; 0 takes a free one.", low=0, high=65535
    )


@dataclass(frozen=True, slots=True)
class ProcessSettings:
    """Every process."""

    log_format: str = _setting(
        "ELASTIQ_LOG_FORMAT", "auto", "`json`, `text`, or `auto`: text at a terminal, JSON elsewhere.", form=_LOG_FORMAT
    )
    log_stream: str = _setting(
        "ELASTIQ_LOG_STREAM",
        "stderr",
        "Where the log goes: `stderr`, or `stdout`, as in a container.",
        form=_LOG_STREAM,
    )
    alive_file: str = _setting(
        "ELASTIQ_ALIVE_FILE",
        "",
        "A file that workers and autoscalers touch every few seconds while they go on; health checks look at its age.",
    )
    metrics_port: int = _setting(
        "ELASTIQ_METRICS_PORT",
        0,
        "The port on which the autoscaler answers Prometheus's `GET /metrics`; 0: none. Web has it at its own.",
        low=0,
        high=65535,
    )
    metrics_host: str = _setting(
        "ELASTIQ_METRICS_HOST", "127.0.0.1", "The address that it binds to; loopback unless told otherwise."
    )


@dataclass(frozen=True, slots=True)
class TracingSettings:
    """Traces, by OpenTelemetry, which reads its other variables itself."""

    endpoint: str = _setting(
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "",
        "Where traces go, such as `http://127.0.0.1:4318`; a process with this or one of the next two is traced.",
    )
    traces_endpoint: str = _setting(
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "", "The same, for traces alone, with its path."
    )
    exporter: str = _setting(
        "OTEL_TRACES_EXPORTER",
        "",
        "How they go: `otlp`, which it is unless told, `console`, another's name, or `none`.",
    )
    protocol: str = _setting(
        "OTEL_EXPORTER_OTLP_PROTOCOL",
        "http/protobuf",
        "How `otlp` goes; `grpc` needs its own package of OpenTelemetry's.",
    )
    untraced_paths: str = _setting(
        "OTEL_PYTHON_FLASK_EXCLUDED_URLS",
        "/healthz$,/metrics$,/static/,/events$",
        "Web: requests that begin no trace, by patterns of their addresses.",
    )
    off: bool = _setting("OTEL_SDK_DISABLED", False, "`true`: no process is traced, whatever else is set.")

    @property
    def wanted(self) -> bool:
        """Return whether a process is to be traced."""
        return bool(self.endpoint or self.traces_endpoint or self.exporter) and self.exporter != "none" and not self.off


@dataclass(frozen=True, slots=True)
class Settings:
    """What the tiers need to know, a section for each. Build it with `Settings.from_environment`."""

    aws: AwsSettings = AwsSettings()
    buckets: BucketSettings = BucketSettings()
    queue: QueueSettings = QueueSettings()
    web: WebSettings = WebSettings()
    access: AccessSettings = AccessSettings()
    hooks: HookSettings = HookSettings()
    limits: LimitSettings = LimitSettings()
    images: ImageSettings = ImageSettings()
    engine: EngineSettings = EngineSettings()
    worker: WorkerSettings = WorkerSettings()
    autoscaler: AutoscalerSettings = AutoscalerSettings()
    ec2: Ec2Settings = Ec2Settings()
    local: LocalSettings = LocalSettings()
    process: ProcessSettings = ProcessSettings()
    tracing: TracingSettings = TracingSettings()

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Read every setting that ``environment`` has.

        Raises:
            ConfigurationError: a value does not parse or is out of bounds; the message names the variable.
        """
        region = environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION", "")
        environment = {**environment, "AWS_REGION": region}
        settings = cls(**{name: section(**_read(section, environment)) for name, section in SECTIONS.items()})
        if settings.buckets.input == settings.buckets.output:
            raise ConfigurationError("ELASTIQ_INPUT_BUCKET and ELASTIQ_OUTPUT_BUCKET must be two buckets")
        if settings.queue.bulk_url and not settings.queue.url:
            raise ConfigurationError(
                "ELASTIQ_BULK_QUEUE_URL is set, and ELASTIQ_QUEUE_URL is not: set both, or neither"
            )
        return settings

    @property
    def models(self) -> Path:
        """Return the folder of built models."""
        return Path(self.engine.model_dir) if self.engine.model_dir else Path(self.local.data_dir) / "models"


# A section's class by its name in `Settings`.
SECTIONS: dict[str, Any] = {section.name: type(section.default) for section in fields(Settings)}


@cache
def settings() -> Settings:
    """Return this process's settings, read from the environment at the first call."""
    return Settings.from_environment(os.environ)


def _read(section: Any, environment: Mapping[str, str]) -> dict[str, Any]:
    """Return what ``environment`` says of the fields of one section."""
    found = {f: environment.get(f.metadata["variable"], "") for f in fields(section)}
    return {f.name: _parse(f, text) for f, text in found.items() if text}


def _parse(f: Field[Any], text: str) -> Any:
    assert f.default is not MISSING
    kind = type(f.default)
    told = f.metadata["variable"] if f.metadata["secret"] else f"{f.metadata['variable']}={text!r}"
    try:
        value = _FLAGS[text.lower()] if kind is bool else kind(text)
    except (KeyError, ValueError):
        raise ConfigurationError(f"{told} is not {_KIND[kind]}") from None
    form = f.metadata.get("form")
    if form and not re.fullmatch(form[0], text):
        raise ConfigurationError(f"{told} must be {form[1]}")
    low, high = f.metadata.get("low"), f.metadata.get("high")
    if low is not None and not value >= low:
        raise ConfigurationError(f"{told} must be at least {low}")
    if high is not None and not value <= high:
        raise ConfigurationError(f"{told} must be at most {high}")
    return value


_FLAGS = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
_KIND = {bool: "1 or 0", int: "a whole number", float: "a number", str: "text"}
