"""The task, from an image in one bucket to its outcome in the other, with the engine that workers have."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from celery import signals, states
from celery.result import EagerResult
from PIL import Image

from app.domain import Classification, Failure
from app.errors import ImageNotFound, InvalidImage
from app.settings import Settings, settings
from app.storage import Storage
from tasks import announce, classification
from tasks.classification import RETRIES, classify
from tests.support import photographs, stills
from tests.support.engines import engine
from tests.support.fault_proxy import FaultProxy

KEY = "batch/cat.png"

Use = Callable[..., Storage]


@pytest.fixture
def use(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Use]:
    """Have this process's tasks use this test's buckets, with settings beside them; return these."""
    engine()

    def forget() -> None:
        settings.cache_clear()
        classification.storage.cache_clear()
        classification.images.cache_clear()

    def set_(**variables: str) -> Storage:
        for name, text in {**environment, **variables}.items():
            monkeypatch.setenv(name, text)
        forget()
        return Storage(Settings.from_environment(environment))

    yield set_
    forget()


@pytest.fixture
def events() -> Iterator[list[str]]:
    """The types of the events that were announced."""
    events: list[str] = []
    announce.through(lambda type, **_: events.append(type))
    yield events
    announce.through(None)


def run(key: str = KEY, retries: int = 0) -> EagerResult:
    return classify.apply((key,), retries=retries)


def test_an_image_becomes_a_result_that_is_stored_announced_and_answered(use: Use, events: list[str]) -> None:
    storage = use()
    storage.put_image(KEY, photographs.chelsea(), "image/png")

    answer = run().get()

    stored = storage.outcome(KEY)
    assert isinstance(stored, Classification)
    assert stored.label in {"tabby", "tiger cat", "Egyptian cat"}
    assert answer == stored.to_json()
    assert len(events) == 1
    assert run().get() == answer, "running twice does no harm"
    assert storage.outcome(KEY) == stored


@pytest.mark.parametrize("queue", ["elastiq-tasks", "elastiq-tasks-bulk"])
def test_the_news_of_an_image_is_hastened_unless_it_came_by_the_bulk_queue(use: Use, queue: str) -> None:
    use(ELASTIQ_QUEUE="elastiq-tasks").put_image(KEY, photographs.chelsea(), "image/png")
    hastened: list[str] = []
    announce.through(lambda type, **_: None, lambda: hastened.append(queue))

    classify.apply((KEY,), routing_key=queue).get()

    announce.through(None)
    assert hastened == [name for name in ("elastiq-tasks",) if name == queue]


@pytest.mark.parametrize("format", ["HEIF", "AVIF"])
def test_what_phones_and_browsers_save_has_the_label_of_the_photograph(use: Use, format: str) -> None:
    cat = Image.open(io.BytesIO(photographs.chelsea())).convert("RGB")
    use().put_image(KEY, stills.still(cat, format), "image/png")

    assert run().get()["label"] in {"tabby", "tiger cat", "Egyptian cat"}


@pytest.mark.parametrize(
    ("image", "error", "reason"),
    [(b"meow, said the cat", InvalidImage, "this is not an image"), (None, ImageNotFound, "there is no image")],
)
def test_what_can_never_work_leaves_its_reason_and_is_not_tried_again(
    use: Use, events: list[str], image: bytes | None, error: type[Exception], reason: str
) -> None:
    storage = use()
    if image:
        storage.put_image(KEY, image, "image/png")

    ended = run()

    assert (ended.state, type(ended.result)) == (states.FAILURE, error)
    outcome = storage.outcome(KEY)
    assert isinstance(outcome, Failure)
    assert reason in outcome.reason
    assert len(events) == 1


def test_while_storage_is_away_it_is_tried_again_after_growing_pauses_and_then_left(
    use: Use, events: list[str], proxy: FaultProxy
) -> None:
    storage = use(AWS_ENDPOINT_URL=proxy.endpoint_url)
    proxy.fault("GetObject", "503")
    pauses_s: list[float] = []

    def note(reason: Any, **_: object) -> None:
        pauses_s.append(reason.when)

    signals.task_retry.connect(note)
    try:
        run(retries=RETRIES - 4)
    finally:
        signals.task_retry.disconnect(note)

    assert sorted(pauses_s) == [256, 512, 600, 600]
    assert run(retries=RETRIES).state == states.REJECTED, "the dead-letter queue has it in the end"
    assert storage.outcome(KEY) is None
    assert events == []


def test_an_image_that_can_be_had_at_the_next_attempt_is_classified(use: Use, proxy: FaultProxy) -> None:
    storage = use(AWS_ENDPOINT_URL=proxy.endpoint_url)
    storage.put_image(KEY, photographs.coffee(), "image/png")
    proxy.fault("GetObject", "503")
    attempts: list[int] = []

    def begin(task: Any, **_: object) -> None:
        attempts.append(task.request.retries)
        if task.request.retries == 1:
            proxy.mend()

    signals.task_prerun.connect(begin)
    try:
        run()
    finally:
        signals.task_prerun.disconnect(begin)

    assert attempts == [0, 1]
    outcome = storage.outcome(KEY)
    assert isinstance(outcome, Classification)
    assert outcome.label == "espresso"


def test_what_is_not_the_images_fault_leaves_the_message_and_no_failure(
    use: Use, events: list[str], proxy: FaultProxy
) -> None:
    storage = use(AWS_ENDPOINT_URL=proxy.endpoint_url)
    storage.put_image(KEY, photographs.coffee(), "image/png")
    proxy.fault("GetObject", "403")

    assert run().state == states.REJECTED

    proxy.mend()
    assert storage.outcome(KEY) is None
    assert events == []
