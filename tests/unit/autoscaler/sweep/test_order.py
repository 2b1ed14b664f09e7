"""What is known of a busy queue's order: the oldest of what was done, once images were done all the time."""

from __future__ import annotations

from app.announcements import ImageClassified, ImageFailed, Said
from app.domain import Classification, Failure, Life, Prediction
from autoscaler.sweep.order import SLOTS, Order
from tests.support.clock import Clock

SLOT_S = 60.0


def done(sent_at: float | None, *, failed: bool = False) -> Said:
    """Return that an image was done whose message was sent then."""
    life = Life("i-1", "classify", 1, 9e9, queued_at=sent_at)
    if failed:
        return Said(ImageFailed(Failure.of("b/1.jpg", "broken"), life), "i-1@host", 9e9)
    return Said(ImageClassified(Classification.of("b/1.jpg", [Prediction("tabby", 0.9)], "m"), life), "i-1@host", 9e9)


def test_the_oldest_is_known_once_images_were_done_in_every_slot() -> None:
    clock = Clock(0.0)
    order = Order(SLOT_S, clock)
    for slot in range(SLOTS):
        assert order.oldest() is None
        order.hear(done(1000.0 + slot))
        order.hear(done(990.0 + slot, failed=True))
        clock.now += SLOT_S
    assert order.oldest() == 990.0
    order.hear(done(2000.0))
    assert order.oldest() == 990.0, "a slot counts when it is over"
    clock.now += SLOT_S
    assert order.oldest() == 991.0, "the first is no longer of late"


def test_where_nothing_was_done_for_a_slot_nothing_is_known() -> None:
    clock = Clock(0.0)
    order = Order(SLOT_S, clock)
    for slot in range(SLOTS):
        if slot != SLOTS // 2:
            order.hear(done(1000.0))
        clock.now += SLOT_S
    assert order.oldest() is None


def test_what_does_not_say_when_it_was_sent_says_nothing() -> None:
    clock = Clock(0.0)
    order = Order(SLOT_S, clock)
    for _ in range(SLOTS):
        order.hear(done(None))
        order.hear(Said(None, "i-1@host", 9e9))
        clock.now += SLOT_S
    assert order.oldest() is None
