"""EC2's notices, read from a real HTTP server that speaks as the instance metadata service does."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from typing import Any

import pytest
from structlog.testing import capture_logs

from app.settings import Settings
from autoscaler.fleet import ec2
from tasks.worker import notices
from tasks.worker.notices import Metadata, Notices, metadata_for
from tests.support.metadata import MetadataService, metadata_service

TERMINATE = '{"action": "terminate", "time": "2026-11-24T10:15:00Z"}'
ON_EC2 = Settings.from_environment({"ELASTIQ_INSTANCE_ID": "i-0123456789abcdef0"})


@pytest.fixture
def service() -> Iterator[MetadataService]:
    with metadata_service() as service:
        yield service


def looker(service: MetadataService) -> Notices:
    return Notices(Metadata(service.endpoint), lambda _: None)


def test_where_there_is_no_notice_there_is_no_reason_to_leave(service: MetadataService) -> None:
    assert looker(service).look() is None
    assert service.asked == list(notices.PATHS)


@pytest.mark.parametrize(
    ("path", "said", "why"),
    [
        ("spot/instance-action", TERMINATE, "notice"),
        ("tags/instance/elastiq-drain", "1", "asked"),
    ],
)
def test_a_notice_is_a_reason_to_leave_and_is_logged_as_it_came(
    service: MetadataService, path: str, said: str, why: str
) -> None:
    service.found[path] = said
    with capture_logs() as logged:
        assert looker(service).look() == why
    assert [(line["event"], line["notice"], line["said"]) for line in logged] == [("notice_received", path, said)]


@pytest.mark.parametrize(("setting", "heeded"), [("0", None), ("1", "notice")])
def test_a_recommendation_to_replace_the_instance_is_heeded_only_if_that_is_set(
    service: MetadataService, setting: str, heeded: str | None
) -> None:
    service.found["events/recommendations/rebalance"] = '{"noticeTime": "2026-11-24T10:15:00Z"}'
    told = Settings.from_environment({"ELASTIQ_INSTANCE_ID": "i-0123", "ELASTIQ_HEED_REBALANCE": setting})
    metadata = metadata_for(told, {"AWS_EC2_METADATA_SERVICE_ENDPOINT": service.endpoint})
    assert metadata is not None
    assert Notices(metadata, lambda _: None).look() == heeded


def test_a_token_serves_many_looks_and_is_renewed_when_it_has_expired(service: MetadataService) -> None:
    looks = looker(service)
    for _ in range(3):
        looks.look()
    assert service.given == 1
    service.tokens.clear()
    service.found["spot/instance-action"] = TERMINATE
    assert looks.look() == "notice"
    assert service.given == 2


def test_a_service_that_hangs_or_is_gone_is_said_once_and_asked_again(
    service: MetadataService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notices, "TIMEOUT_S", 0.2)
    looks = looker(service)
    service.hangs.set()
    with capture_logs() as logged:
        assert looks.look() is looks.look() is None
    assert [line["event"] for line in logged] == ["notices_unheard"]
    service.hangs.clear()
    service.found["spot/instance-action"] = TERMINATE
    assert looks.look() == "notice"


def test_a_notice_that_could_not_be_heeded_is_heeded_at_the_next_look_and_then_no_more(
    service: MetadataService,
) -> None:
    service.found["spot/instance-action"] = TERMINATE
    heeded: queue.SimpleQueue[str] = queue.SimpleQueue()
    errors = [RuntimeError("nobody foresaw it")]

    def heed(why: str) -> None:
        heeded.put(why)
        if errors:
            raise errors.pop()

    looks = Notices(Metadata(service.endpoint), heed, every_s=0.01)
    with capture_logs() as logged:
        looks.start()
        assert [heeded.get(timeout=20) for _ in range(2)] == ["notice", "notice"]
    assert [line["of"] for line in logged if line["event"] == "step_broke"] == ["notices"]
    looks.stop()


def test_nothing_is_asked_but_on_ec2_and_not_where_it_is_forbidden(service: MetadataService) -> None:
    there = {"AWS_EC2_METADATA_SERVICE_ENDPOINT": service.endpoint}
    for id in ("", "local-0123456789ab", "worker-7"):
        assert metadata_for(Settings.from_environment({"ELASTIQ_INSTANCE_ID": id}), there) is None
    assert metadata_for(ON_EC2, {**there, "AWS_EC2_METADATA_DISABLED": "True"}) is None


def test_the_address_is_the_one_that_aws_s_own_variable_gives(service: MetadataService) -> None:
    metadata: Any = metadata_for(ON_EC2, {"AWS_EC2_METADATA_SERVICE_ENDPOINT": f"{service.endpoint}/"})
    assert metadata.get("spot/instance-action") is None
    assert service.asked == ["spot/instance-action"]


def test_the_tag_that_is_looked_for_is_the_one_that_the_autoscaler_sets() -> None:
    assert f"tags/instance/{ec2.DRAIN_TAG}" in notices.PATHS
