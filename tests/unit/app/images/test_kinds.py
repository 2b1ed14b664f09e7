import pytest

from app.images.kinds import TAKEN, unknown


@pytest.mark.parametrize(
    ("start", "what"),
    [(b"%PDF-1.7", "a PDF document"), (b"<!DOCTYPE html>", "a web page"), (b"\0\0\0\x18ftypheic", "a HEIC photograph")],
)
def test_what_people_hand_in_by_mistake_is_named_to_them(start: bytes, what: str) -> None:
    assert unknown(start) == f"this is {what}; convert it to {TAKEN}"


def test_what_nobody_knows_is_told_what_is_taken() -> None:
    assert unknown(b"hello") == f"this is not an image; {TAKEN} is taken"
