"""What the day's fleet has cost, kept in the output bucket beside the lease, where the next autoscaler goes on from it.

Whatever fails is logged; then the next autoscaler counts from what it sees.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import structlog

from app.errors import ElastiqError
from app.settings import Settings
from autoscaler.memory.bill import Bill
from autoscaler.memory.spent import Spent
from autoscaler.record import AHEAD, Keeper, Record, number

log = structlog.get_logger(__name__)

KEY, BILL_KEY = "_autoscaler/spent", "_autoscaler/bill"
EVERY_S = 60.0


class Spending:
    """Reads what is spent, and writes it once a minute where there is a budget.

    Args:
        settings: the output bucket, and the budget.
    """

    def __init__(self, settings: Settings) -> None:
        self._record, self._budget_h = Record(settings, KEY), settings.autoscaler.daily_budget_h
        self._keeper = Keeper(self._record, "spending_not_kept", every_s=EVERY_S)

    def begin(self, now: datetime) -> Spent:
        """Return what was kept, or nothing spent up to now."""
        try:
            return (self._budget_h and _spent(self._record.read(), now)) or Spent(now)
        except ElastiqError as err:
            log.warning("spending_unknown", reason=str(err))
            return Spent(now)

    def note(self, spent: Spent) -> None:
        """Keep what is spent; one autoscaler does so at a time, the leader."""
        if self._budget_h:
            until_s = spent.until.timestamp()
            self._keeper.keep({"until": until_s, "hours": round(spent.hours, 5)}, spent, until_s)


class Billing:
    """Reads what this day was billed, and writes it once a minute where that has changed.

    Args:
        settings: the output bucket.
    """

    def __init__(self, settings: Settings) -> None:
        self._record = Record(settings, BILL_KEY)
        self._keeper = Keeper(self._record, "bill_not_kept", every_s=EVERY_S, kept=0.0)

    def begin(self, now: datetime) -> Bill:
        """Return what was kept of this day, or nothing billed up to now."""
        try:
            found = self._record.read()
        except ElastiqError as err:
            log.warning("bill_unknown", reason=str(err))
            return Bill(now)
        until, usd = number(found.get("until")), number(found.get("usd"))
        if (
            until is None
            or usd is None
            or datetime.fromtimestamp(min(until, now.timestamp()), UTC).date() != now.date()
        ):
            return Bill(now)
        return Bill(now, day_usd=usd)

    def note(self, bill: Bill) -> None:
        """Keep what is billed; one autoscaler does so at a time, the leader."""
        until_s = bill.until.timestamp()
        self._keeper.keep({"until": until_s, "usd": round(bill.day_usd, 6)}, bill.day_usd, until_s)


def _spent(found: dict[str, Any], now: datetime) -> Spent | None:
    """Return what was written, if it is that and not of the future."""
    until, hours = number(found.get("until")), number(found.get("hours"))
    if until is None or hours is None or until > (now + AHEAD).timestamp():
        return None
    return Spent(datetime.fromtimestamp(until, UTC), hours)
