"""The default model's int8: built, judged by what will run it, and small."""

from __future__ import annotations

from tasks.engine import artifact
from tests.conftest import models
from tests.support.engines import engine


def test_the_default_model_has_int8_that_was_judged() -> None:
    engine()
    folder = models() / "efficientnet_lite0"
    manifest = artifact.read(folder)

    assert manifest is not None
    assert manifest.int8["taken"], manifest.int8
    assert manifest.int8["agreement"] >= 0.97
    assert manifest.int8["views"] >= 100
    assert {"int8.xml", "int8.bin"} <= manifest.files.keys()
    assert (folder / "int8.bin").stat().st_size < (folder / "model.bin").stat().st_size / 3
