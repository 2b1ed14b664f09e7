from dataclasses import FrozenInstanceError

import pytest

from app.images.structure import Structure


def test_what_was_judged_stays_as_it_was_judged() -> None:
    structure = Structure("PNG", 30, 20, 600, "")

    with pytest.raises(FrozenInstanceError):
        structure.width = 40_000  # type: ignore[misc]
