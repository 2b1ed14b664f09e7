"""A queue of a listener is counted with the process that its tag names, in whatever container that is."""

from __future__ import annotations

import os

from app.sqs.owner import owner
from tests.campaign.gauges import known, named


def test_a_process_of_this_machine_is_the_one_that_its_own_tag_names() -> None:
    assert named(owner()) == known(os.getpid())


def test_a_tag_that_tells_less_names_none() -> None:
    assert named("host///7/") == ("", "7")
    assert named("") == ("", "")
