"""What whoever uploaded files is told of them."""

from __future__ import annotations

import pytest

from app.domain import Failure
from app.settings import Settings
from web.application import create_app
from web.uploads.intake import Taken
from web.uploads.names import rejected_key
from web.uploads.receipt import receipt

ID = "20261128T101530123Z-9f2c01ab"


@pytest.mark.parametrize("refused", [0, 1, 2])
def test_every_file_is_told_in_its_place_and_refused_ones_are_counted(refused: int) -> None:
    bad = [rejected_key(ID, f"{n}.txt", f"{n}" * 64) for n in range(refused)]
    taken = [Taken(f"{ID}/cat.png"), *(Taken(key, Failure.of(key, "it is no image")) for key in bad)]
    with create_app(Settings()).test_request_context(base_url="https://images.example"):
        told = receipt(ID, taken)
    assert (told["accepted"], told["rejected"]) == (1, refused)
    assert [image["path"] for image in told["images"]] == ["cat.png", *(f"{n}.txt" for n in range(refused))]
    assert told["url"] == f"https://images.example/batches/{ID}"
