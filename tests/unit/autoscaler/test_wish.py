"""The autoscaler's wish as a metric of CloudWatch's."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from structlog.testing import capture_logs

from autoscaler.wish import AGAIN, METRIC, Wish, embedded

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


def test_the_line_is_what_cloudwatch_makes_a_metric_of() -> None:
    line = json.loads(json.dumps(embedded(3, "mine", NOON)))

    (directive,) = line["_aws"]["CloudWatchMetrics"]
    assert (directive["Namespace"], directive["Dimensions"]) == ("mine", [[]])
    assert [line[one["Name"]] for one in directive["Metrics"]] == [3]
    assert line["_aws"]["Timestamp"] == NOON.timestamp() * 1000
