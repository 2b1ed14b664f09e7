"""Measuring the built model on this processor."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.errors import ConfigurationError
from app.speed import processor
from tasks.engine import artifact, measure
from tasks.engine.openvino_runner import INT8, TYPES
from tests.support.engines import config, engine

CONFIG = config()
FOLDER = CONFIG.models / CONFIG.engine.model


def test_it_tells_what_an_image_costs_in_which_precision_and_where(monkeypatch: pytest.MonkeyPatch) -> None:
    engine()
    monkeypatch.setattr(measure, "MOST", 3)
    manifest = artifact.read(FOLDER)
    assert manifest is not None
    found = measure.measure(FOLDER, manifest, CONFIG)
    assert found.core_ms > 0
    assert found.precision in {*TYPES, INT8}
    assert found.processor == processor()


def test_a_precision_that_the_processor_lacks_is_an_error() -> None:
    engine()
    manifest = artifact.read(FOLDER)
    assert manifest is not None
    lacking = replace(CONFIG, engine=replace(CONFIG.engine, precision="none"))
    with pytest.raises(ConfigurationError, match="ELASTIQ_PRECISION"):
        measure.measure(FOLDER, manifest, lacking)
