"""A line of the log that CloudWatch makes metrics of."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from autoscaler.embedded import embedded

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


def test_the_line_has_the_metrics_where_cloudwatch_looks_for_them() -> None:
    line = json.loads(json.dumps(embedded({"One": 1, "Two": 2}, "mine", NOON, "None")))
    (directive,) = line["_aws"]["CloudWatchMetrics"]
    assert (directive["Namespace"], directive["Dimensions"]) == ("mine", [[]])
    assert {one["Name"]: line[one["Name"]] for one in directive["Metrics"]} == {"One": 1, "Two": 2}
    assert {one["Unit"] for one in directive["Metrics"]} == {"None"}
    assert line["_aws"]["Timestamp"] == NOON.timestamp() * 1000
