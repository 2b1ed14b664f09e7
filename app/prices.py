"""What AWS charges: one file of prices, each with its source, and sums of them that are asked for in several places."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from app.errors import ConfigurationError

FILE = Path(__file__).with_suffix(".json")
MONTH_H = 730.0


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
    """

    region: str
    as_of: str
    spot_share: float
    instance_hours: dict[str, float]
    rates: dict[str, float]
    sources: dict[str, str]

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

    def million_images_calls(self, *, sqs_calls: float = 0.4, publishes: float = 1) -> dict[str, float]:
        """Return dollars for what a million images call: by service; the numbers are an image's.

        An image is put once and got once, and its result put once.
        """
        s3 = 2 * self.rates["s3_put"] + self.rates["s3_get"]
        sqs, sns = sqs_calls * self.rates["sqs_call"], publishes * self.rates["sns_publish"]
        return {"S3": 1e6 * s3, "SQS": 1e6 * sqs, "SNS": 1e6 * sns}


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
    )
