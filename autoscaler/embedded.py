"""Metrics of CloudWatch's in a line of the log, as its embedded metric format has them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any


def embedded(values: Mapping[str, int], namespace: str, at: datetime, unit: str = "Count") -> dict[str, Any]:
    """Return fields of a log line of which CloudWatch makes metrics without dimensions.

    Args:
        values: of each metric, by name.
        namespace: CloudWatch's.
        at: the time, UTC.
        unit: CloudWatch's name of it.

    Source: Amazon CloudWatch User Guide, embedded metric format specification.
    """
    metrics = [{"Name": name, "Unit": unit} for name in values]
    directive = {"Namespace": namespace, "Dimensions": [[]], "Metrics": metrics}
    return {"_aws": {"Timestamp": int(at.timestamp() * 1000), "CloudWatchMetrics": [directive]}, **values}
