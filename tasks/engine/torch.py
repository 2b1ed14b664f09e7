"""Runs a model with torch: on a GPU in bfloat16 and in minibatches gathered across threads, else on the processor."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from tasks.engine.decode import Pixels
from tasks.engine.minibatch import Minibatches
from tasks.engine.models import Definition, Normalize


class TorchRunner:
    """A model on one device. Thread-safe.

    Attributes:
        precision: ``bf16`` on a GPU that has it, else ``fp32``.
        runtime: torch and the device.
    """

    def __init__(self, definition: Definition, *, minibatch: int, wait_s: float) -> None:
        """Move the model to the GPU, if there is one.

        Args:
            definition: the model with its weights.
            minibatch: images at once at most.
            wait_s: seconds that an image waits for others.
        """
        cuda = torch.cuda.is_available()
        self._device = torch.device("cuda" if cuda else "cpu")
        half = cuda and torch.cuda.is_bf16_supported()
        self.precision = "bf16" if half else "fp32"
        self.runtime = f"torch on {torch.cuda.get_device_name() if cuda else 'the processor'}"
        self._type = torch.bfloat16 if half else torch.float32
        # In float32: bfloat16 has too few digits for a mean.
        self._normalize = Normalize(definition.preprocessing).to(self._device)
        self._model = definition.module.to(self._device, self._type).to(memory_format=torch.channels_last)
        self._minibatches: Minibatches[Pixels, NDArray[np.float32]]
        self._minibatches = Minibatches(self._run, size=minibatch, wait_s=wait_s)

    def run(self, pixels: Pixels) -> NDArray[np.float32]:
        """Return the probability of each class, float32 (classes,), for uint8 (H, W, 3) RGB."""
        return self._minibatches(pixels)

    def _run(self, images: Sequence[Pixels]) -> Sequence[NDArray[np.float32]]:
        """Return the probabilities of each image; those of one size go together."""
        answers: dict[int, NDArray[np.float32]] = {}
        for shape in {image.shape for image in images}:
            places = [place for place, image in enumerate(images) if image.shape == shape]
            answers.update(zip(places, self._forward(np.stack([images[place] for place in places])), strict=True))
        return [answers[place] for place in range(len(images))]

    def _forward(self, stacked: Pixels) -> NDArray[np.float32]:
        """Return float32 (N, classes) for uint8 (N, H, W, 3)."""
        pixels = torch.from_numpy(stacked)
        if self._device.type == "cuda":
            pixels = pixels.pin_memory()
        with torch.inference_mode():
            # NHWC seen as NCHW is channels-last already.
            moved = pixels.to(self._device, non_blocking=True).permute(0, 3, 1, 2).float()
            logits = self._model(self._normalize(moved).to(self._type))
            probabilities: NDArray[np.float32] = logits.float().softmax(1).cpu().numpy()
        return probabilities
