"""What a process knows of a batch."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from app.domain import Classification, Failure, Prediction
from web.batches.batch import Batch, Outcome, cursor

CAT = Classification.of("b/cat.jpg", [Prediction("tabby", 0.9)], "m")
BROKEN = Failure.of("b/cat.jpg", "damaged")

keys = st.sampled_from(["b/1", "b/2", "b/3", "b/4"])


@st.composite
def news(draw: st.DrawFn) -> tuple[str, Outcome | None]:
    key = draw(keys)
    label = Classification.of(key, [Prediction(draw(st.sampled_from("xy")), 0.5)], "m")
    return key, draw(st.sampled_from([None, Failure.of(key, "damaged"), label]))


def test_a_label_is_final() -> None:
    batch = Batch("b", "e")
    assert batch.update("b/cat.jpg", CAT)
    assert not batch.update("b/cat.jpg", BROKEN)
    assert not batch.update("b/cat.jpg", None)
    assert batch.outcome("b/cat.jpg") == CAT


def test_an_image_that_failed_may_be_classified_after_all() -> None:
    batch = Batch("b", "e")
    batch.update("b/cat.jpg", BROKEN)
    assert batch.unread(["b/cat.jpg.error.txt"]) == []
    assert batch.unread(["b/cat.jpg.txt"]) == ["b/cat.jpg.txt"]
    assert batch.update("b/cat.jpg", CAT)
    assert batch.counts().to_json() == {"total": 1, "waiting": 0, "done": 1, "failed": 0, "cancelled": 0}


def test_what_waits_in_a_cancelled_batch_is_cancelled_and_a_late_label_wins() -> None:
    batch = Batch("b", "e")
    batch.update("b/1", None)
    batch.update("b/cat.jpg", None)
    batch.update("b/broken.jpg", Failure.of("b/broken.jpg", "damaged"))
    position = batch.position
    assert batch.cancel(True) == ["b/1", "b/cat.jpg"]
    assert [(image.key, image.state) for image in batch.since(position)] == [
        ("b/1", "cancelled"),
        ("b/cat.jpg", "cancelled"),
    ]
    assert batch.cancel(True) == []
    assert batch.update("b/cat.jpg", CAT)
    batch.update("b/added.jpg", None)
    assert batch.counts().to_json() == {"total": 4, "waiting": 0, "done": 1, "failed": 1, "cancelled": 2}
    assert batch.cancel(False) == ["b/1", "b/added.jpg"]
    assert batch.counts().to_json() == {"total": 4, "waiting": 2, "done": 1, "failed": 1, "cancelled": 0}


def test_a_failure_that_has_gone_is_tried_again_unless_it_was_heard_of_meanwhile() -> None:
    batch = Batch("b", "e")
    for name in ("b/gone", "b/there", "b/labelled"):
        batch.update(name, Failure.of(name, "damaged"))
    position = batch.position
    batch.update("b/new", Failure.of("b/new", "damaged"))
    assert batch.forgive({"b/there.error.txt", "b/labelled.txt"}, position) == ["b/gone"]
    assert {image.key: image.state for image in batch.images() if image.state == "waiting"} == {"b/gone": "waiting"}
    assert batch.update("b/gone", Failure.of("b/gone", "damaged"))


def test_images_of_one_name_in_two_folders_stay_apart_and_in_order() -> None:
    batch = Batch("b", "e")
    for key in ("b/2024/1.jpg", "b/2.jpg", "b/rejected/0123456789ab/2023/2.jpg", "b/2023/1.jpg"):
        batch.update(key, None)
    told = [image.to_json() for image in batch.images()]
    assert [(image["path"], image["filename"]) for image in told] == [
        ("2.jpg", "2.jpg"),
        ("2023/1.jpg", "1.jpg"),
        ("2023/2.jpg", "2.jpg"),
        ("2024/1.jpg", "1.jpg"),
    ]


def test_what_is_no_result_is_never_read() -> None:
    assert Batch("b", "e").unread(["b/cat.jpg", "b/cat.jpg.json", "b/cat.jpg.txt"]) == ["b/cat.jpg.txt"]


def test_a_cursor_of_another_process_begins_at_the_beginning() -> None:
    batch = Batch("b", "e")
    batch.update("b/cat.jpg", None)
    assert batch.position_of(cursor("e", 1)) == 1
    for other in (cursor("f", 1), "", "e-", "e-x", "e-²", "-1"):
        assert batch.position_of(other) == 0


@given(st.lists(news()), st.integers(0, 20))
def test_news_since_a_position_brings_a_reader_to_what_is_known_now(
    all_news: list[tuple[str, Outcome | None]], cut: int
) -> None:
    batch = Batch("b", "e")
    for key, outcome in all_news[:cut]:
        batch.update(key, outcome)
    seen = {image.key: image.outcome for image in batch.since(0)}
    position = batch.position
    for key, outcome in all_news[cut:]:
        batch.update(key, outcome)
    seen |= {image.key: image.outcome for image in batch.since(position)}
    assert seen == {image.key: image.outcome for image in batch.images()}
    positions = [image.position for image in batch.since(0)]
    assert positions == sorted(set(positions))
    counts = batch.counts()
    assert counts.total == len(batch) == counts.waiting + counts.done + counts.failed + counts.cancelled
