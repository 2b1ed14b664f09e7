"""What AWS charges: one file of prices, each with its source, and sums of them that are asked for in several places.

`python -m app.prices` prints the tables of docs/cost.md.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

import click

from app.domain import CallCounts
from app.errors import ConfigurationError

FILE = Path(__file__).with_suffix(".json")
MONTH_H = 730.0
# Measured: a whole worker's core-ms for an image (docs/engine.md); what the system calls and logs (docs/cost.md).
CORE_MS, SQS_CALLS, PUBLISHES, LOG_BYTES = 20.0, 0.35, 0.02, 700
IDLE_CALLS_HOUR = {"s3_put": 405, "sqs_call": 4740, "sns_publish": 430}
ALARMS, METRICS = 8, 2
# What an instance is taken for that is none of EC2's, such as a process of this machine; and each one's disk.
TAKEN_FOR, DISK_GIB = "c7i.large", 8
# Assumed: an image of 500 x 375, in gigabytes; its result is a few hundred bytes.
STORED_GB = 0.0001
WORKERS = ("c7i.large", "c6i.large", "m7i.large", "m6i.large", "c7g.large", "c8g.large", "m7g.large", "c6g.large")


@dataclass(frozen=True, slots=True)
class Prices:
    """US dollars without tax, in one region.

    Attributes:
        region: whose prices they are.
        as_of: the month in which they were so, as ``2025-06``.
        spot_share: what a spot instance costs of one on demand, about.
        instance_hours: of an instance on demand, by type, for an hour.
        rates: all others, by name; the name says of what.
        sources: where AWS says so, by the name of a rate; of instances under ``instance_hours``.
        confirmed: who else says so, and when they did, by the name of a rate or a type; others are unconfirmed.
    """

    region: str
    as_of: str
    spot_share: float
    instance_hours: dict[str, float]
    rates: dict[str, float]
    sources: dict[str, str]
    confirmed: dict[str, str]

    def instance_hour(self, type: str, *, spot: bool = False) -> float:
        """Return dollars for an hour of an instance.

        Raises:
            ConfigurationError: the type's price is not in the file.
        """
        if type not in self.instance_hours:
            raise ConfigurationError(f"app/prices.json has no price of {type}; add it there")
        return self.instance_hours[type] * (self.spot_share if spot else 1)

    def host_hour(self, type: str, disk_gib: float, *, spot: bool = False) -> float:
        """Return dollars for an hour of a host: the instance, its disk and its public address."""
        disk = self.rates["disk_gib_month"] * disk_gib / MONTH_H
        return self.instance_hour(type, spot=spot) + disk + self.rates["address_hour"]

    def worker_hour(self, type: str, *, spot: bool, given: float = 0.0) -> float:
        """Return dollars for an hour of a worker's host.

        Args:
            type: the instance's; one whose price is not in the file is taken for `TAKEN_FOR`.
            spot: whether it is a spot instance.
            given: the price, if somebody has said it; 0: nobody has.
        """
        return given or self.host_hour(type if type in self.instance_hours else TAKEN_FOR, DISK_GIB, spot=spot)

    def of_calls(self, calls: CallCounts) -> float:
        """Return dollars for calls."""
        return float(sum(self.rates[name] * number for name, number in asdict(calls).items()))

    def million_images(self, type: str, core_ms: float, *, vcpus: int = 2, disk_gib: float = 8, spot: bool) -> float:
        """Return dollars for the hosts that classify a million images, busy all the time.

        Args:
            type: the instances'.
            core_ms: an image's, on one of its virtual processors.
            vcpus: how many of those it has.
            disk_gib: of each host.
            spot: whether they are spot instances.
        """
        hours = 1e6 * core_ms / 1000 / vcpus / 3600
        return hours * self.host_hour(type, disk_gib, spot=spot)

    def million_images_calls(self) -> dict[str, float]:
        """Return dollars for what a million images call and log, by service.

        An image is put once and got once, and its result put once.
        """
        of = self.rates
        return {
            "S3": 1e6 * (2 * of["s3_put"] + of["s3_get"]),
            "SQS": 1e6 * SQS_CALLS * of["sqs_call"],
            "SNS": 1e6 * PUBLISHES * of["sns_publish"],
            "CloudWatch, their logs": 1e6 * LOG_BYTES / 1e9 * of["log_gb"],
        }

    def idle_month(self, control: str = "t3.small", *, disk_gib: float = 8, public: bool = False) -> dict[str, float]:
        """Return dollars for a month in which nothing comes, by what they are for.

        Args:
            control: the type of the host of web and autoscaler.
            disk_gib: of that host.
            public: whether the page is behind a balancer.
        """
        calls = sum(self.rates[name] * number for name, number in IDLE_CALLS_HOUR.items())
        parts = {
            f"control host, a `{control}`": self.instance_hour(control) * MONTH_H,
            "its disk": self.rates["disk_gib_month"] * disk_gib,
            "its public IPv4 address": self.rates["address_hour"] * MONTH_H,
            f"CloudWatch: {ALARMS} alarms, {METRICS} metrics": ALARMS * self.rates["alarm_month"]
            + METRICS * self.rates["metric_month"],
            "its calls to S3, SQS and SNS": calls * MONTH_H,
        }
        return {**parts, "the balancer": self.rates["balancer_hour"] * MONTH_H} if public else parts


@cache
def prices() -> Prices:
    """Return the prices of the file."""
    data = json.loads(FILE.read_bytes())
    sources = {name: rate["source"] for name, rate in data["rates"].items()}
    return Prices(
        region=data["region"],
        as_of=data["as_of"],
        spot_share=data["spot_share"]["value"],
        instance_hours=data["instance_hours"]["usd"],
        rates={name: rate["usd"] for name, rate in data["rates"].items()},
        sources={
            **sources,
            "instance_hours": data["instance_hours"]["source"],
            "spot_share": data["spot_share"]["source"],
        },
        confirmed=data["confirmed"],
    )


def tables() -> str:
    """Return the tables of docs/cost.md."""
    parts = (_hosts(), _calls(), _idle(), _examples(), _prices())
    return "\n\n".join("\n".join(rows) for rows in parts)


def _hosts() -> list[str]:
    head = ["| a million images on | on demand | spot |", "|---|---|---|"]
    each = [(type, *(prices().million_images(type, CORE_MS, spot=spot) for spot in (False, True))) for type in WORKERS]
    return head + [f"| `{type}` | {on_demand:.2f} | {spot:.2f} |" for type, on_demand, spot in each]


def _calls() -> list[str]:
    head = ["| a million images' calls | dollars |", "|---|---|"]
    return head + [f"| {service} | {dollars:.2f} |" for service, dollars in prices().million_images_calls().items()]


def _idle() -> list[str]:
    parts = prices().idle_month()
    rows = [f"| {part} | {dollars:.2f} |" for part, dollars in parts.items()]
    return ["| a month in which nothing comes | dollars |", "|---|---|", *rows, f"| all | {sum(parts.values()):.2f} |"]


@dataclass(frozen=True, slots=True)
class Example:
    """A month's work.

    Attributes:
        images: in the month.
        instance_s: seconds of `c7i.large` on spot that they are billed, by the simulator.
    """

    images: float
    instance_s: float


DAYS = MONTH_H / 24
EXAMPLES = {
    "1,000,000 in one night": Example(1e6, 28_816),
    "10,000 a day": Example(10_000 * DAYS, 840 * DAYS),
}


def example(of: Example) -> dict[str, float]:
    """Return dollars for a month with that work in it, by what they are for."""
    known = prices()
    return {
        "workers": of.instance_s / 3600 * known.host_hour("c7i.large", 8, spot=True),
        **{name: dollars * of.images / 1e6 for name, dollars in known.million_images_calls().items()},
        "S3, stored for the month": of.images * STORED_GB * known.rates["s3_gb_month"],
        "what an idle month costs": sum(known.idle_month().values()),
    }


def _examples() -> list[str]:
    columns = [example(of) for of in EXAMPLES.values()]
    rows = [f"| {part} | {' | '.join(f'{column[part]:.2f}' for column in columns)} |" for part in columns[0]]
    total = " | ".join(f"{sum(column.values()):.2f}" for column in columns)
    return [f"| a month with | {' | '.join(EXAMPLES)} |", "|---|---|---|", *rows, f"| all | {total} |"]


def _prices() -> list[str]:
    known = prices()
    one = {f"`{type}`, an hour": (type, usd) for type, usd in known.instance_hours.items()}
    one.update({f"`{name}`": (name, usd) for name, usd in known.rates.items()})
    rows = []
    for said, (name, usd) in one.items():
        source = known.sources.get(name, known.sources["instance_hours"])
        rows.append(f"| {said} | {f'{usd:.8f}'.rstrip('0')} | {source} | {known.confirmed.get(name, '')} |")
    return ["| price | dollars | AWS's page | seen again |", "|---|---|---|---|", *rows]


if __name__ == "__main__":
    click.echo(tables())
