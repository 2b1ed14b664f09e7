"""The torch runner: each image gets its own answer, whatever goes through the model together with it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from tasks.engine.artifact import Preprocessing
from tasks.engine.models import Definition
from tasks.engine.torch import TorchRunner

HOW = Preprocessing(None, None, "bicubic", (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))


class Means(nn.Module):
    """Takes the mean of each channel for the logit of a class, and notes how many images came at once."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[int] = []

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        self.sizes.append(len(pixels))
        return pixels.mean((2, 3))


@pytest.fixture
def model() -> Means:
    return Means()


def runner(model: Means, *, minibatch: int = 8, wait_s: float = 0.0) -> TorchRunner:
    return TorchRunner(Definition(model, HOW, ("red", "green", "blue")), minibatch=minibatch, wait_s=wait_s)


def plain(colour: tuple[int, int, int], height: int = 4, width: int = 6) -> NDArray[np.uint8]:
    return np.full((height, width, 3), colour, np.uint8)


def softmax(*logits: float) -> list[float]:
    return list(np.exp(logits) / np.exp(logits).sum())


def test_the_probabilities_are_those_of_the_normalised_image(model: Means) -> None:
    found = runner(model).run(plain((255, 0, 51)))

    assert found.tolist() == pytest.approx(softmax(2.0, -2.0, -1.2), abs=0.01)
    assert found.dtype == np.float32


def test_images_that_come_at_once_go_together_and_each_gets_its_own_answer(model: Means) -> None:
    runs = runner(model, minibatch=6, wait_s=30)  # which a full minibatch ends
    images = [plain((40 * n, 0, 255 - 40 * n)) for n in range(6)]

    with ThreadPoolExecutor(6) as threads:
        together = list(threads.map(runs.run, images))

    assert model.sizes == [6]
    alone = runner(model)
    for image, found in zip(images, together, strict=True):
        assert found == pytest.approx(alone.run(image), abs=0.01)


def test_images_of_several_sizes_go_by_their_size(model: Means) -> None:
    runs = runner(model, minibatch=4, wait_s=30)
    images = [plain((255, 0, 0)), plain((0, 255, 0), 8, 2), plain((0, 0, 255)), plain((255, 0, 0), 8, 2)]

    with ThreadPoolExecutor(4) as threads:
        best = [int(np.argmax(found)) for found in threads.map(runs.run, images)]

    assert best == [0, 1, 2, 0]
    assert model.sizes == [2, 2]


def test_it_says_where_it_computes_and_in_what(model: Means) -> None:
    runs = runner(model)

    where = torch.cuda.get_device_name() if torch.cuda.is_available() else "the processor"
    assert runs.runtime == f"torch on {where}"
    assert runs.precision in {"bf16", "fp32"} if torch.cuda.is_available() else runs.precision == "fp32"
