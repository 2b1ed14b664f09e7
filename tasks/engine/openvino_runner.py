"""Runs an artifact with OpenVINO on the processor's cores."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import numpy as np
import openvino
import openvino.properties as properties
import openvino.properties.hint as hint
from numpy.typing import NDArray

from tasks.engine import artifact
from tasks.engine.decode import Pixels


class OpenVinoRunner:
    """One compiled graph; as many images run at once as there are cores, each on one. Thread-safe."""

    def __init__(self, folder: Path) -> None:
        core = openvino.Core()
        self.precision = _precision(core.get_property("CPU", properties.device.capabilities))
        cores = len(os.sched_getaffinity(0))
        self._compiled = core.compile_model(
            core.read_model(folder / artifact.GRAPH),
            "CPU",
            {
                properties.num_streams: cores,
                properties.inference_num_threads: cores,
                # Several workers may share the machine; pinned, they would crowd on the same cores.
                hint.enable_cpu_pinning: False,
                hint.inference_precision: _TYPES[self.precision],
            },
        )
        self._local = threading.local()

    def run(self, pixels: Pixels) -> NDArray[np.float32]:
        """Return the probability of each class.

        Args:
            pixels: uint8 (H, W, 3), RGB.

        Returns:
            float32 (classes,), adding up to 1.
        """
        request = getattr(self._local, "request", None)
        if request is None:
            request = self._local.request = self._compiled.create_infer_request()
        request.infer([pixels[np.newaxis]], share_inputs=True, share_outputs=True)
        return np.array(request.get_output_tensor(0).data[0], np.float32)


_TYPES = {"bf16": openvino.Type.bf16, "fp16": openvino.Type.f16, "fp32": openvino.Type.f32}


def _precision(capabilities: list[str]) -> str:
    """Return the fastest precision that the processor computes in hardware."""
    return "bf16" if "BF16" in capabilities else "fp16" if "FP16" in capabilities else "fp32"
