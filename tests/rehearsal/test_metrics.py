"""Metrics of what hosts log: by the patterns of filters, and embedded in lines."""

from __future__ import annotations

import json

import pytest

from tests.rehearsal.metrics import embedded, matches

LIVES = '{ $.event = "alive" && $.process = "autoscaler" }'
FAILS = '?host_setup_failed ?"repeated too quickly"'


@pytest.mark.parametrize(
    ("pattern", "message", "meant"),
    [
        (LIVES, '{"event": "alive", "process": "autoscaler"}', True),
        (LIVES, '{"event": "alive", "process": "web"}', False),
        (LIVES, "alive autoscaler", False),
        (FAILS, '{"event": "host_setup_failed"}', True),
        (FAILS, "x.service: start request repeated too quickly", True),
        (FAILS, "repeated", False),
    ],
)
def test_a_filter_means_lines_by_its_pattern(pattern: str, message: str, meant: bool) -> None:
    assert matches(pattern, message) is meant


@pytest.mark.parametrize("pattern", ["{ $.n > 3 }", "plain"])
def test_a_pattern_that_nobody_plays_is_an_error(pattern: str) -> None:
    with pytest.raises(AssertionError, match="nobody plays"):
        matches(pattern, "x")


def test_a_line_may_have_metrics_in_itself() -> None:
    directive = {"Namespace": "crew", "Dimensions": [[]], "Metrics": [{"Name": "Rows"}, {"Name": "Missing"}]}

    assert embedded(json.dumps({"_aws": {"CloudWatchMetrics": [directive]}, "Rows": 1})) == ["crew/Rows"]
    assert embedded("plain words") == []
