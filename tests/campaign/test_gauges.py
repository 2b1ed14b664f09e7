"""What a process holds is counted once: a queue with whom its tag names, a worker not with who started it."""

from __future__ import annotations

import os
import subprocess

import psutil

from app.sqs.owner import owner
from tests.campaign.gauges import holding, known, named
from tests.support.waiting import wait_for


def test_a_process_of_this_machine_is_the_one_that_its_own_tag_names() -> None:
    assert named(owner()) == known(os.getpid())


def test_a_tag_that_tells_less_names_none() -> None:
    assert named("host///7/") == ("", "7")
    assert named("") == ("", "")


def test_what_a_process_started_is_its_own_unless_it_is_looked_at_by_itself() -> None:
    with subprocess.Popen(["sh", "-c", "sleep 60 & sleep 60 & wait"], start_new_session=True) as shell:
        try:
            first = psutil.Process(shell.pid)
            one, other = wait_for(lambda: len(found := first.children()) == 2 and found, 10)
            assert holding(first, {}, {first.pid})[1] == 3
            assert holding(first, {}, {first.pid, one.pid})[1] == 2
            assert holding(first, {known(other.pid): 5}, set())[3] == 5
        finally:
            os.killpg(shell.pid, 9)
