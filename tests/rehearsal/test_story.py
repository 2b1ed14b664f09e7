"""The story, played once, and what must hold of it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.rehearsal.hosts import folder, why_not
from tests.rehearsal.stage import played
from tests.rehearsal.story import CEILING, Story

pytestmark = [
    pytest.mark.skipif(bool(why_not()), reason=why_not() or "hosts can run"),
    pytest.mark.timeout(1500),
]


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    told = played(tmp_path_factory.mktemp("story"))
    (folder() / "figures.json").write_text(json.dumps(told.figures, indent=1) + "\n")
    return told


@pytest.fixture(scope="module")
def figures(story: Story) -> dict[str, Any]:
    return story.figures


def test_each_of_200_photographs_has_one_result_and_none_was_done_twice(figures: dict[str, Any]) -> None:
    assert figures["images"]["sent"] == figures["images"]["with_one_result"] == 200
    assert (figures["images"]["failed"], figures["images"]["dead_letters"]) == (0, 0)
    assert figures["images"]["done_again"] == 0


def test_a_spot_notice_takes_an_instance_that_works_and_no_image(figures: dict[str, Any]) -> None:
    assert figures["spot"]["images_waiting_at_the_notice"] > 0
    assert figures["spot"]["notice_to_terminated_s"] < 120


def test_an_upgrade_in_the_middle_of_work_replaces_every_host(figures: dict[str, Any]) -> None:
    assert figures["upgrade"]["images_waiting_at_the_new_host"] > 0
    assert figures["upgrade"]["old_workers_at_the_new_host"] > 0


def test_a_broken_bundle_costs_a_few_hosts_and_no_more_until_it_is_mended(figures: dict[str, Any]) -> None:
    broken = figures["broken_bundle"]
    assert "SHA-256" in broken["said"]
    assert broken["launched_until_the_breaker_opened"] <= 2 * CEILING
    assert broken["launched_while_open"] <= 1


def test_a_dead_letter_comes_back_by_itself_or_by_the_operator(figures: dict[str, Any]) -> None:
    assert figures["dead_letters"] == {"came_back_by_itself": True, "listed": True, "failed_after_redrive": []}


def test_every_call_was_one_that_its_role_may_make(figures: dict[str, Any]) -> None:
    assert figures["denied"] == []


def test_no_role_may_do_what_nothing_needed_but_for_a_reason(figures: dict[str, Any]) -> None:
    unused = [
        f"{row['role']}: {what}"
        for row in figures["permissions"]
        if row["role"] != "deployer"  # mostly CloudFormation's, which calls in its name and here calls nothing
        for what in row["unused"]
    ]

    assert [line for line in unused if not any(line.startswith(known) for known in REASONS)] == []


def test_what_hosts_logged_made_every_metric_of_ours_that_an_alarm_watches(figures: dict[str, Any]) -> None:
    assert figures["alarms"].keys() == {"elastiq-autoscaler-silent", "elastiq-boots-fail", "elastiq-breaker-open"}
    assert all(figures["alarms"].values())


def test_nothing_is_left_after_destroy(figures: dict[str, Any]) -> None:
    assert figures["destroy"]["left"] == []


_GIVEN_BACK = "a listener that stops gives back what it has just received, if it has"
# What no call of the story needed, each with why it is there all the same.
REASONS = {
    "elastiq-web: sqs:ChangeMessageVisibility on elastiq-tasks-on-*": _GIVEN_BACK,
    "elastiq-worker: sqs:ChangeMessageVisibility on elastiq-tasks-on-i-*": _GIVEN_BACK,
    "elastiq-autoscaler: sqs:ChangeMessageVisibility on elastiq-tasks-on-*": _GIVEN_BACK,
    "elastiq-worker: s3:GetObject on elastiq-output/_batches/*": "no batch of the story has a source",
    "elastiq-worker: s3:ListBucket on": "without it S3 answers 403 for an image that is gone, and not 404",
    "elastiq-worker: s3:GetObject on elastiq-output/_celery/*": "Celery's own results, which its clients' tasks keep",
    "elastiq-worker: s3:PutObject on elastiq-output/_celery/*": "Celery's own results, which its clients' tasks keep",
    "elastiq-web: s3:PutObject on elastiq-output/_batches/*": "no batch of the story has a record",
    "elastiq-web: s3:DeleteObject on": "no batch of the story is deleted or tried again",
    "elastiq-autoscaler: s3:DeleteObject on": "no batch of the story is deleted",
    "elastiq-autoscaler: s3:PutObject on elastiq-output/_batches/*": "no batch of the story is cancelled",
    "elastiq-worker: sqs:SendMessage on elastiq-tasks": "a task that is retried is published anew",
    "elastiq-web: sqs:SendMessage on elastiq-tasks-bulk": "no upload is as large as what has to wait",
    "elastiq-worker: sqs:GetQueueUrl on elastiq-tasks-on-*": "replies to remote control go to the asker's own queue",
    "elastiq-autoscaler: s3:PutObject on elastiq-output/_resent/* alone": "no message was lost",
    "elastiq-autoscaler: s3:ListBucket on": "the sweep looks for lost images when the queue stands empty for a minute",
    "elastiq-autoscaler: sns:ListSubscriptionsByTopic on": "listeners whose process was killed are swept by the hour",
    "elastiq-autoscaler: ec2:TerminateInstances on": "every host ended by itself; one that hangs is ended so",
    "elastiq-autoscaler: ec2:RunInstances on subnet/": "the second zone is asked where the first has no room",
}
