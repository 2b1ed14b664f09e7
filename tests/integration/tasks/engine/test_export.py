"""From torch to OpenVINO: the graph takes what a decoder gives and computes what torch does, or is not written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from numpy.typing import NDArray

from app.errors import ConfigurationError
from app.settings import Settings
from tasks.engine import artifact
from tasks.engine import export as exporting
from tasks.engine.export import export, reference
from tasks.engine.openvino_runner import OpenVinoRunner

# torch's exporter and its models warn of their own doings.
pytestmark = pytest.mark.filterwarnings("ignore:::torch", "ignore:::torchvision", "ignore:::copyreg")

# Among torchvision's, the one that is exported the fastest.
SMALL = "squeezenet1_1"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Weights that nobody trained."""
    torch.manual_seed(0)
    torch.save(torchvision.models.get_model(SMALL).state_dict(), tmp_path / "weights.pth")
    return Settings.from_environment({"ELASTIQ_WEIGHTS": str(tmp_path / "weights.pth")})


def noise(height: int, width: int) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def test_the_graph_takes_pixels_and_gives_the_probabilities_of_torch(settings: Settings, tmp_path: Path) -> None:
    steps: list[str] = []

    definition = export(SMALL, settings, tmp_path, steps.append)

    image = noise(224, 224)
    ours = OpenVinoRunner(tmp_path, "fp32").run(image)
    assert ours == pytest.approx(reference(definition, image[np.newaxis])[0], abs=1e-4)
    assert ours.shape == (len(definition.labels),)
    assert {artifact.GRAPH, "model.bin"} <= {path.name for path in tmp_path.iterdir()}
    assert steps == ["reading the weights", "exporting", "comparing with torch"]


def test_a_graph_that_computes_something_else_than_torch_is_refused(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "TOLERANCE", -1.0)  # which no difference meets

    with pytest.raises(ConfigurationError, match=r"probabilities differ from torch's by [\d.e-]+"):
        export(SMALL, settings, tmp_path, lambda step: None)
