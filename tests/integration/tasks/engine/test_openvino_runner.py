"""OpenVINO runs an artifact: in a precision that the processor has, and from any number of threads."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from app.errors import ConfigurationError
from tasks.engine.openvino_runner import OpenVinoRunner, choose
from tests.conftest import models
from tests.support.engines import ROOT, engine


def test_it_gives_each_class_a_probability_and_says_what_computes() -> None:
    labels = engine().labels
    runner = OpenVinoRunner(models() / "efficientnet_lite0", "fp32")

    black, noise = np.zeros((224, 224, 3), np.uint8), np.random.default_rng(0).integers(0, 256, (224, 224, 3), np.uint8)

    one, other = runner.run(black), runner.run(noise)
    assert one.shape == other.shape == (len(labels),)
    assert one.sum() == pytest.approx(1, abs=1e-3)
    assert not np.array_equal(one, other), "an answer is its own array, which the next does not change"
    assert runner.precision == "fp32"
    assert runner.runtime.startswith("OpenVINO")


def test_a_precision_that_the_processor_lacks_is_refused() -> None:
    assert choose("auto", ["FP32", "BF16", "INT8"]) == "bf16"
    assert choose("auto", ["FP32", "FP16"]) == "fp16"
    assert choose("auto", ["FP32", "INT8"]) == "fp32"
    assert choose("fp32", ["FP32", "BF16"]) == "fp32"
    assert choose("int8", ["FP32", "INT8"]) == "int8"
    with pytest.raises(ConfigurationError, match="this processor has fp32, int8; set one of them, or auto"):
        choose("bf16", ["FP32", "INT8"])


def test_the_first_calls_may_come_from_many_threads_at_once() -> None:
    """In new processes: OpenVINO's binding deadlocks in one of three there, without the engine's own first call."""
    engine()
    for _ in range(4):
        done = subprocess.run(
            [sys.executable, "-c", FIRST_CALLS],
            env={**os.environ, "ELASTIQ_MODEL_DIR": str(models())},
            cwd=ROOT,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0


FIRST_CALLS = """
import threading, numpy
from tasks.engine import load

engine, barrier, pixels = load(), threading.Barrier(8), numpy.zeros((224, 224, 3), numpy.uint8)
threads = [threading.Thread(target=lambda: (barrier.wait(), engine.runner.run(pixels))) for _ in range(8)]
for each in threads:
    each.start()
for each in threads:
    each.join()
"""
