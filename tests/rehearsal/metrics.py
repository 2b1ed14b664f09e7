"""Which metrics CloudWatch would have of what hosts logged: by metric filters, and by lines that have one embedded.

Source: Amazon CloudWatch Logs user guide, "Filter pattern syntax"; CloudWatch user guide, "Embedded metric format".
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable
from typing import Any

from tests.rehearsal.account import Account

_CONDITION = re.compile(r'\$\.(\w+)\s*=\s*"([^"]*)"')
_TERM = re.compile(r'\?(?:"([^"]*)"|(\S+))')


def published(account: Account, group: str) -> Counter[str]:
    """Return how many values each metric, as ``namespace/name``, has of what is in a log group."""
    logs = account.client("logs")
    filters = logs.describe_metric_filters(logGroupName=group)["metricFilters"]
    found: Counter[str] = Counter()
    for message in messages(logs, group):
        made = [
            f"{one['metricNamespace']}/{one['metricName']}"
            for each in filters
            if matches(each["filterPattern"], message)
            for one in each["metricTransformations"]
        ]
        found.update([*made, *embedded(message)])
    return found


def messages(logs: Any, group: str) -> Iterable[str]:
    """Yield what is in every stream of a group."""
    for stream in logs.describe_log_streams(logGroupName=group)["logStreams"]:
        name = stream["logStreamName"]
        events = logs.get_log_events(logGroupName=group, logStreamName=name, limit=10000)["events"]
        yield from (event["message"] for event in events)


def matches(pattern: str, message: str) -> bool:
    """Return whether a message is one that a filter's pattern means: equal fields of JSON, or any of some words."""
    if pattern.startswith("{"):
        wanted = dict(_CONDITION.findall(pattern))
        assert re.fullmatch(r"\{\s*&{0,2}(\s*&&\s*)*\s*\}", _CONDITION.sub("", pattern)), f"nobody plays {pattern}"
        said = _parsed(message)
        return all(said.get(name) == value for name, value in wanted.items())
    assert not _TERM.sub("", pattern).strip(), f"nobody plays {pattern}"
    return any((quoted or plain) in message for quoted, plain in _TERM.findall(pattern))


def embedded(message: str) -> list[str]:
    """Return the metrics that a line has in itself."""
    said = _parsed(message)
    return [
        f"{each['Namespace']}/{one['Name']}"
        for each in said.get("_aws", {}).get("CloudWatchMetrics", [])
        for one in each["Metrics"]
        if one["Name"] in said
    ]


def _parsed(message: str) -> dict[str, Any]:
    try:
        said = json.loads(message)
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}
