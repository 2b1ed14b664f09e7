"""Runs an artifact with OpenVINO on the processor's cores."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path
from queue import LifoQueue

import numpy as np
import openvino
import openvino.properties as properties
import openvino.properties.hint as hint
from numpy.typing import NDArray
from openvino.properties.device import full_name

from app.errors import ConfigurationError
from tasks.engine import artifact
from tasks.engine.decode import Pixels

# Of those that run the graph in fp32; the most exact, which every processor has, is last.
TYPES = {"bf16": openvino.Type.bf16, "fp16": openvino.Type.f16, "fp32": openvino.Type.f32}
# Another graph.
INT8 = "int8"


class OpenVinoRunner:
    """One compiled graph; as many images run at once as there are cores, each on one. Thread-safe.

    Attributes:
        precision: what it computes in.
        runtime: OpenVINO and the processor.
        shape: of the pixels that it takes.
    """

    def __init__(self, folder: Path, precision: str = "auto") -> None:
        """Compile the graph for this processor.

        Args:
            folder: the artifact.
            precision: one of `TYPES`, or ``auto`` for the first of them that the processor has; or ``int8``.

        Raises:
            ConfigurationError: the processor does not have the precision, or the artifact has no int8.
        """
        core = openvino.Core()
        # Read, not mapped: the weights as they are in the file are then let go once they are compiled.
        core.set_property({properties.enable_mmap: False})
        self.precision = choose(precision, core.get_property("CPU", properties.device.capabilities))
        graph = folder / (artifact.INT8_GRAPH if self.precision == INT8 else artifact.GRAPH)
        if not graph.is_file():
            raise ConfigurationError(
                f"ELASTIQ_PRECISION={precision}: {folder} has no such graph; its manifest says why"
            )
        self.runtime = f"OpenVINO {openvino.__version__.split('-')[0]} on {core.get_property('CPU', full_name).strip()}"
        cores = len(os.sched_getaffinity(0))
        self._compiled = core.compile_model(
            core.read_model(graph),
            "CPU",
            {
                properties.num_streams: cores,
                properties.inference_num_threads: cores,
                # Several workers may share the machine; pinned, they would crowd on the same cores.
                hint.enable_cpu_pinning: False,
                # What int8 leaves as it is, is little, and would have to change to and fro.
                hint.inference_precision: TYPES.get(self.precision, openvino.Type.f32),
            },
        )
        # One more than run at once, so that the next is there when one ends; each holds memory of its own.
        self._requests: LifoQueue[openvino.InferRequest] = LifoQueue()
        for _ in range(cores + 1):
            self._requests.put(self._compiled.create_infer_request())
        # Once in one thread alone: OpenVINO's Python binding deadlocks when its first two calls come from two threads
        # at once (a static initialiser of it takes the interpreter's lock).
        _, height, width, _ = self._compiled.input().partial_shape
        self.shape = _side(height), _side(width), 3
        self.run(np.zeros(self.shape, np.uint8))

    def run(self, pixels: Pixels) -> NDArray[np.float32]:
        """Return the probability of each class.

        Args:
            pixels: uint8 (H, W, 3), RGB.

        Returns:
            float32 (classes,), adding up to 1.
        """
        request = self._requests.get()
        try:
            request.infer([pixels[np.newaxis]], share_inputs=True, share_outputs=True)
            return np.array(request.get_output_tensor(0).data[0], np.float32)
        finally:
            self._requests.put(request)


def choose(wanted: str, capabilities: Collection[str]) -> str:
    """Return the precision to compute in.

    Args:
        wanted: one of `TYPES`, or ``int8``; ``auto`` takes the first of `TYPES` that the processor has in hardware.
        capabilities: what OpenVINO says of the processor, such as FP32 and BF16.

    Raises:
        ConfigurationError: the processor does not have it.
    """
    had = _floats(capabilities)
    if wanted == "auto":
        return had[0]
    had += [INT8] if INT8.upper() in capabilities else []
    if wanted not in had:
        raise ConfigurationError(
            f"ELASTIQ_PRECISION={wanted}: this processor has {', '.join(had)}; set one of them, or auto"
        )
    return wanted


def floats() -> list[str]:
    """Return the precisions other than int8 that this processor has in hardware, the most exact last."""
    return _floats(openvino.Core().get_property("CPU", properties.device.capabilities))


def host() -> str:
    """Return what the cost of a precision depends on: the processor, what it can do, its cores here, and OpenVINO."""
    core = openvino.Core()
    name, able = core.get_property("CPU", full_name).strip(), core.get_property("CPU", properties.device.capabilities)
    return f"{name}, {' '.join(sorted(able))}, {len(os.sched_getaffinity(0))} cores, OpenVINO {openvino.__version__}"


def _floats(capabilities: Collection[str]) -> list[str]:
    return [precision for precision in TYPES if precision.upper() in capabilities]


def _side(dimension: openvino.Dimension) -> int:
    """Return a dimension's length; of one that is free, any that models take."""
    return 224 if dimension.is_dynamic else int(dimension.get_length())
