"""The poller and its watchdog."""

from __future__ import annotations

from app.local import EmbeddedCloud
from app.sqs.gateway import Gateway
from app.sqs.metrics import metrics
from app.sqs.options import Options
from app.sqs.poller import Poller


class Watched(set[Poller]):
    """Pollers at which the watchdog looks the moment it knows them."""

    def add(self, poller: Poller) -> None:
        super().add(poller)
        poller.revive()


def test_the_watchdog_may_look_at_a_poller_as_soon_as_it_knows_it(cloud: EmbeddedCloud) -> None:
    gateway = Gateway(Options(endpoint_url=cloud.endpoint_url, wait_time_seconds=1))
    gateway.pollers = Watched()
    restarted = metrics.snapshot().get("pollers_restarted", 0)
    try:
        Poller(gateway, "watched", transient=False, room=lambda: 0, ready=lambda: None)
        assert len(gateway.pollers) == 1
        assert metrics.snapshot().get("pollers_restarted", 0) == restarted
    finally:
        gateway.close()
