"""From a torch model to an OpenVINO graph that takes a decoded image and gives probabilities."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import openvino
import openvino.properties.hint as hint
import torch
from numpy.typing import NDArray
from openvino.frontend import FrontEndManager
from openvino.frontend.pytorch.fx_decoder import TorchFXPythonDecoder
from openvino.preprocess import PrePostProcessor
from torch import nn

from app.errors import ConfigurationError
from app.settings import Settings
from tasks.engine import artifact
from tasks.engine.artifact import Preprocessing
from tasks.engine.models import Definition, Normalize, define

# The largest difference of a probability between the two runtimes, on one image; fp32 sums differ in their last digits.
TOLERANCE = 1e-3
# Heights and widths on which a model of free size is compared; the first is also what it is traced with.
FREE_SIZES = [(224, 320), (165, 250), (480, 333)]


def export(name: str, settings: Settings, folder: Path, say: Callable[[str], None]) -> Definition:
    """Write the graph and the weights of ``name`` into ``folder``.

    Args:
        name: the model's.
        settings: weights and labels that replace the model's own.
        folder: an empty folder.
        say: is told each step as it begins.

    Returns:
        What was exported.

    Raises:
        ConfigurationError: there is no such model, or OpenVINO does not compute what torch does.
    """
    say("reading the weights")
    definition = define(name, settings)
    say("exporting")
    graph = _graph(definition)
    openvino.save_model(graph, folder / artifact.GRAPH, compress_to_fp16=False)
    say("comparing with torch")
    _compare(graph, definition)
    return definition


def _graph(definition: Definition) -> openvino.Model:
    """Return the graph: uint8 (1, H, W, 3) in, float32 (1, classes) out; H and W are free where nothing is cropped."""
    crop = definition.preprocessing.crop
    example = torch.zeros(1, 3, *(crop, crop) if crop else FREE_SIZES[0])
    free = None if crop else ({2: torch.export.Dim.AUTO, 3: torch.export.Dim.AUTO},)
    model = nn.Sequential(definition.module, nn.Softmax(dim=1)).eval()
    with torch.no_grad():
        exported = torch.export.export(model, (example,), dynamic_shapes=free)
    # The front end itself, because `openvino.convert_model` also reports its use to its makers over the network.
    frontend = FrontEndManager().load_by_framework("pytorch")
    decoder = TorchFXPythonDecoder.from_exported_program(exported)
    graph = frontend.convert(frontend.load(decoder))
    graph.reshape([1, 3, crop or -1, crop or -1])
    return _with_preprocessing(graph, definition.preprocessing)


def _with_preprocessing(graph: openvino.Model, how: Preprocessing) -> openvino.Model:
    steps = PrePostProcessor(graph)
    steps.input().tensor().set_element_type(openvino.Type.u8).set_layout(openvino.Layout("NHWC"))
    steps.input().model().set_layout(openvino.Layout("NCHW"))
    convert = steps.input().preprocess().convert_element_type(openvino.Type.f32)
    convert.mean([255 * mean for mean in how.mean]).scale([255 * std for std in how.std])
    return steps.build()


def _compare(graph: openvino.Model, definition: Definition) -> None:
    exact = {hint.inference_precision: openvino.Type.f32}
    compiled = openvino.compile_model(graph, "CPU", exact)
    crop = definition.preprocessing.crop
    for size in [(crop, crop)] if crop else FREE_SIZES:
        image = np.random.default_rng(0).integers(0, 256, (1, *size, 3), dtype=np.uint8)
        difference = float(np.abs(compiled([image])[0] - reference(definition, image)).max())
        if difference > TOLERANCE:
            raise ConfigurationError(f"the exported model's probabilities differ from torch's by {difference:.3g}")


def reference(definition: Definition, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return torch's own probabilities, float32 (N, classes), for uint8 (N, H, W, 3) RGB."""
    pixels = torch.from_numpy(images).permute(0, 3, 1, 2).float()
    with torch.inference_mode():
        normal = Normalize(definition.preprocessing)(pixels)
        probabilities: NDArray[np.float32] = definition.module(normal).softmax(1).numpy()
    return probabilities
