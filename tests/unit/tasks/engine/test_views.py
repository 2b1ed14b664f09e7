"""Photographs to calibrate on: the shipped ones, or all of a folder that can be decoded."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from app.errors import ConfigurationError
from tasks.engine.views import MOST, files, views
from tests.support import photographs


def test_unless_told_they_are_those_that_scikit_image_ships() -> None:
    assert len(files("")) == 16


def test_a_folder_s_are_found_in_the_folders_below_it(tmp_path: Path) -> None:
    (tmp_path / "tabby").mkdir()
    (tmp_path / "tabby" / "chelsea.png").write_bytes(photographs.chelsea())
    (tmp_path / "notes.txt").write_text("no photograph")

    found = list(views(files(str(tmp_path)), 64, 6, seed=0))

    assert [view.folder for view in found] == ["tabby"] * 3
    assert all(view.pixels.shape == (64, 64, 3) and view.pixels.dtype == np.uint8 for view in found)
    assert not np.array_equal(found[0].pixels, found[1].pixels)
    again, others = (list(views(files(str(tmp_path)), 64, 6, seed=seed)) for seed in (0, 1))
    assert np.array_equal(found[0].pixels, again[0].pixels)
    assert not np.array_equal(found[0].pixels, others[0].pixels)


def test_of_a_large_folder_photographs_are_taken_from_all_over_it(tmp_path: Path) -> None:
    for number in range(2 * MOST + 1):
        (tmp_path / f"{number:04}.jpg").touch()

    found = files(str(tmp_path))

    assert len(found) <= MOST
    assert found[0].name == "0000.jpg"
    assert int(found[-1].stem) >= 2 * MOST - 2


def test_a_folder_that_is_not_there_is_an_error_that_names_it() -> None:
    with pytest.raises(ConfigurationError, match="ELASTIQ_CALIBRATION=/nowhere is no folder"):
        files("/nowhere")
