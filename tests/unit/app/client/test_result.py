"""Results."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.client.files import File
from app.client.result import failure, result_of

CAT = File("./holiday/cat.png", "holiday/cat.png", Path("cat.png"), 3)


def test_a_result_has_the_api_s_fields_with_the_path_that_was_given() -> None:
    image = {
        "key": "b/holiday/cat.png",
        "filename": "cat.png",
        "path": "holiday/cat.png",
        "state": "done",
        "label": "tabby",
        "score": 0.75,
        "top5": [{"label": "tabby", "score": 0.75}, {"label": "lynx", "score": 0.25}],
        "reason": None,
    }
    result = result_of(CAT, image)
    assert not result.failed
    assert [one.label for one in result.top5] == ["tabby", "lynx"]
    assert result.to_json() == {**image, "path": "./holiday/cat.png"}


@pytest.mark.parametrize(("told", "reason"), [("too large", "too large"), (None, "cancelled")])
def test_whatever_is_not_done_has_a_reason(told: str | None, reason: str) -> None:
    result = result_of(CAT, {"key": "b/c", "state": "cancelled", "reason": told})
    assert result.failed
    assert (result.state, result.reason, result.label) == ("cancelled", reason, None)
    assert failure("x", "gone").to_json()["reason"] == "gone"
