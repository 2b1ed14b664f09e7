"""Which fleet the settings describe."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.errors import ConfigurationError
from app.settings import AutoscalerSettings, Ec2Settings, LocalSettings, QueueSettings, Settings
from autoscaler.fleet import Fleet, make_fleet
from autoscaler.fleet.ec2 import Ec2Fleet
from autoscaler.fleet.processes import LocalFleet
from autoscaler.fleet.watched import WatchedFleet
from autoscaler.listen import Hearing


def hearing() -> Hearing:
    return Hearing(full=8, clock=lambda: datetime.now(UTC))


@pytest.mark.parametrize(
    ("watch_only", "template", "kind"),
    [
        (False, "", LocalFleet),
        (False, "lt-0123", Ec2Fleet),
        (True, "", WatchedFleet),
        (True, "lt-0123", WatchedFleet),
    ],
)
def test_only_watching_comes_before_a_launch_template_and_that_before_this_machine(
    watch_only: bool, template: str, kind: type[Fleet], tmp_path: Path
) -> None:
    settings = Settings(
        autoscaler=AutoscalerSettings(watch_only=watch_only),
        ec2=Ec2Settings(launch_template=template),
        local=LocalSettings(data_dir=str(tmp_path)),
    )
    fleet = make_fleet(settings, lambda ids: None, hearing())
    assert type(fleet) is kind
    assert fleet.elastic != watch_only


def test_without_hearing_there_is_nothing_to_watch() -> None:
    settings = Settings(autoscaler=AutoscalerSettings(watch_only=True), queue=QueueSettings(listen=False))
    with pytest.raises(ConfigurationError, match="ELASTIQ_WATCH_ONLY=1 needs ELASTIQ_LISTEN=1"):
        make_fleet(settings, lambda ids: None)


def test_a_fleet_that_starts_instances_needs_no_hearing(tmp_path: Path) -> None:
    settings = Settings(local=LocalSettings(data_dir=str(tmp_path)))
    assert make_fleet(settings, lambda ids: None).instances() == []
