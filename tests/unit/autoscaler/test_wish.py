"""The autoscaler's wish as a metric of CloudWatch's."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from structlog.testing import capture_logs

from autoscaler.wish import AGAIN, METRIC, Wish

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


def test_it_is_logged_at_each_change_and_once_a_minute() -> None:
    wish = Wish("elastiq")
    with capture_logs() as logs:
        for seconds, desired in ((0, 0), (2, 0), (4, 3), (6, 3), (4 + AGAIN.seconds, 3), (6 + AGAIN.seconds, 3)):
            wish.note(desired, NOON + timedelta(seconds=seconds))

    assert [entry[METRIC] for entry in logs] == [0, 3, 3]


def test_without_a_namespace_nothing_is_logged() -> None:
    with capture_logs() as logs:
        Wish("").note(3, NOON)

    assert logs == []
