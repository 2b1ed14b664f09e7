"""What was measured of workers, kept in the output bucket beside the lease, where the next autoscaler begins with it.

One object has the rates by model, precision and kind of instance: another model's, or another instance's, are none of
this one's. Whatever fails is logged; then the next autoscaler is as unsure as the first.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import structlog

from app.errors import ElastiqError
from app.settings import Settings
from autoscaler import built
from autoscaler.record import Record, number
from autoscaler.values import UNSURE, Estimates, Limits

log = structlog.get_logger(__name__)

KEY = "_autoscaler/rates"
# No rate is written more often, nor one that has changed by less; no more kinds are kept.
EVERY_S, CHANGE, MOST_KINDS = 60.0, 0.1, 100


@dataclass(frozen=True, slots=True)
class Rates:
    """Images per second of one busy instance, and seconds from a launch to a worker that is ready, if known."""

    service_rate: float
    boot_s: float | None


class Remembered:
    """Reads what is remembered, and writes what is measured.

    Args:
        settings: the output bucket; the model, its precision, and what instances are launched.
        clock: monotonic seconds.
    """

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings, self._record, self._clock = settings, Record(settings, KEY), clock
        self.kind, self._billed = _kind(settings), bool(settings.ec2.launch_template)
        self._rates: Rates | None = None
        self._tried_at: float | None = None

    def within(self, limits: Limits) -> Limits:
        """Return limits with what is remembered of such instances, or else with what the model's build measured.

        With neither they are unsure where it costs.
        """
        try:
            self._rates = _rates(self._record.read().get(self.kind))
        except ElastiqError as err:
            log.warning("rates_unknown", reason=str(err))
        if self._rates is None:
            # On one machine too many instances cost nothing.
            unsure = replace(limits, unsure=UNSURE) if self._billed else limits
            return built.within(limits, self._settings) or unsure
        log.info("rates_remembered", kind=self.kind, rate=self._rates.service_rate, boot_s=self._rates.boot_s)
        return replace(limits, service_rate=self._rates.service_rate, boot_s=self._rates.boot_s or limits.boot_s)

    def note(self, known: Estimates) -> None:
        """Write what has been measured if it is news; one autoscaler does so at a time, the leader."""
        if known.service_rate is None or (self._tried_at is not None and self._clock() - self._tried_at < EVERY_S):
            return
        rates = Rates(known.service_rate, known.boot_s or (self._rates.boot_s if self._rates else None))
        if self._rates and not _changed(rates, self._rates):
            return
        self._tried_at = self._clock()
        try:
            self._write(rates)
        except ElastiqError as err:
            log.warning("rates_not_kept", reason=str(err))
        else:
            self._rates = rates

    def _write(self, rates: Rates) -> None:
        others = {kind: value for kind, value in self._record.read().items() if kind != self.kind}
        kept = dict(list(others.items())[1 - MOST_KINDS :])
        told = {"service_rate": round(rates.service_rate, 4), "boot_s": rates.boot_s and round(rates.boot_s, 2)}
        self._record.write({**kept, self.kind: told})


def _kind(settings: Settings) -> str:
    """Return what a rate depends on, in words."""
    ec2 = settings.ec2
    where = ec2.instance_types or f"{ec2.launch_template} {ec2.launch_template_version}"
    if not ec2.launch_template:
        where = f"{platform.machine()} with {os.cpu_count()} cores"
    engine = settings.engine
    return f"{engine.model} {engine.kind} {engine.precision} on {where}, {settings.worker.concurrency} at once"


def _rates(found: Any) -> Rates | None:
    """Return what was written, if it is rates."""
    if not isinstance(found, dict):
        return None
    rate, boot_s = number(found.get("service_rate")), number(found.get("boot_s"))
    return Rates(rate, boot_s or None) if rate else None


def _changed(now: Rates, before: Rates) -> bool:
    pairs = [(now.service_rate, before.service_rate), (now.boot_s or 0.0, before.boot_s or 0.0)]
    return any(abs(new - old) > CHANGE * old for new, old in pairs)
