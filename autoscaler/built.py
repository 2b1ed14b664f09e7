"""What an instance may do, by what the model's build measured; believed until anything is measured of an instance."""

from __future__ import annotations

import os
import re
from dataclasses import replace

import structlog

from app import speed
from app.settings import Settings
from autoscaler.values import Limits

log = structlog.get_logger(__name__)

# On another processor than the build's a model may be so many times faster: with bf16 it is three times.
ANOTHER = 3.0
# Cores of an instance whose type is not known: as many as those of the types that the template launches.
CORES = 2


def within(limits: Limits, settings: Settings) -> Limits | None:
    """Return limits with the rate that the build's measurement promises; None where there is none of this engine."""
    built = speed.read(settings.models / settings.engine.model)
    if (
        built is None
        or settings.engine.kind != "openvino"
        or settings.engine.precision not in ("auto", built.precision)
    ):
        return None
    here = not settings.ec2.launch_template
    cores = len(os.sched_getaffinity(0)) if here else cores_of(settings.ec2.instance_types.partition(",")[0].strip())
    same = here and built.processor == speed.processor()
    limits = replace(limits, service_rate=built.rate(cores), unsure=1.0 if same else ANOTHER)
    log.info("rate_by_build", rate=round(limits.service_rate, 1), cores=cores, built_on=built.processor, same=same)
    return limits


def cores_of(type: str) -> int:
    """Return the virtual processors of an EC2 instance type, by its name: `c7i.large` has two, `c7i.2xlarge` eight."""
    size = type.partition(".")[2]
    times = re.fullmatch(r"(\d*)xlarge", size)
    if times:
        return 4 * int(times[1] or 1)
    return 1 if size == "medium" and not type.startswith("t") else CORES
