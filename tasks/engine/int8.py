"""Gives an artifact an int8 graph, or says why it gets none: what loses more than it may is not kept. No torch here."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import openvino
from numpy.typing import NDArray

from tasks.engine import artifact
from tasks.engine.artifact import Preprocessing
from tasks.engine.openvino_runner import OpenVinoRunner
from tasks.engine.quantize import folded, quantize
from tasks.engine.views import View, files, views

# Views to calibrate on, and others to judge by.
CALIBRATED, JUDGED = 64, 240
# int8 must say the same as fp32 of this part of the views, and lose no more of the labels.
LEAST_AGREEMENT, MOST_LOST = 0.97, 0.007
# Views count where fp32 itself is sure: its best label is so much likelier than the next. Too few prove nothing.
SURE, LEAST_SURE = 2.0, 40


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of judging an int8 graph.

    Attributes:
        taken: whether the artifact has it.
        why: why not; empty where it has.
        views: how many it was judged by: those that fp32 is sure of.
        agreement: the part of them of which both say the same.
        labelled: views in a folder that has the name of a label.
        lost: the part of those labels that fp32 has right, less int8's.
    """

    taken: bool = False
    why: str = ""
    views: int = 0
    agreement: float = 0.0
    labelled: int = 0
    lost: float = 0.0


def add(
    folder: Path, how: Preprocessing, labels: tuple[str, ...], calibration: str, say: Callable[[str], None]
) -> dict[str, Any]:
    """Write `artifact.INT8_GRAPH` into a folder that has the graph in fp32, unless it would lose too much.

    Args:
        folder: of the artifact.
        how: the size that the model takes.
        labels: the model's.
        calibration: a folder of photographs; empty for the shipped ones, ``none`` for no int8.
        say: is told each step as it begins, and what came of it.

    Returns:
        The fields of a `Verdict`.

    Raises:
        ConfigurationError: there is no such folder of photographs.
    """
    verdict = _added(folder, how, labels, calibration, say)
    if not verdict.taken:
        say(f"no int8: {verdict.why}")
        for path in (folder / artifact.INT8_GRAPH, (folder / artifact.INT8_GRAPH).with_suffix(".bin")):
            path.unlink(missing_ok=True)
    return asdict(verdict)


def _added(
    folder: Path, how: Preprocessing, labels: tuple[str, ...], calibration: str, say: Callable[[str], None]
) -> Verdict:
    if calibration == "none":
        return Verdict(why="ELASTIQ_CALIBRATION=none")
    if how.crop is None:
        return Verdict(why="the model takes images of any size")
    photographs = files(calibration)
    if not photographs:
        return Verdict(why="no photographs to calibrate it on; name a folder by ELASTIQ_CALIBRATION")
    try:
        say(f"calibrating int8 on {len(photographs)} photographs")
        seen = [view.pixels for view in views(photographs, how.crop, CALIBRATED, seed=0)]
        graph = folded(openvino.Core().read_model(folder / artifact.GRAPH))
        openvino.save_model(quantize(graph, seen), folder / artifact.INT8_GRAPH, compress_to_fp16=False)
        say("comparing int8 with fp32")
        judged = list(views(photographs, how.crop, JUDGED, seed=1))
        exact, ours = (_answers(folder, precision, judged) for precision in ("fp32", "int8"))
        verdict = judge(exact, ours, judged, labels)
    except (RuntimeError, ValueError, LookupError) as err:  # A layer of a kind that nobody has tried.
        return Verdict(why=f"it can't be made of this model ({str(err)[:200]})")
    say(f"int8 says the same as fp32 of {verdict.agreement:.1%} of {verdict.views} views")
    return verdict


def judge(
    exact: NDArray[np.float32], ours: NDArray[np.float32], judged: list[View], labels: tuple[str, ...]
) -> Verdict:
    """Say whether int8 may take fp32's place.

    Args:
        exact: fp32's probabilities, (views, classes).
        ours: int8's.
        judged: the views.
        labels: the model's.
    """
    best = np.sort(exact, axis=1)
    sure = best[:, -1] >= SURE * best[:, -2] if len(labels) > 1 else np.zeros(len(exact), bool)
    agreement = _share((exact.argmax(1) == ours.argmax(1))[sure])
    number = {label: index for index, label in enumerate(labels)}
    truth = np.array([number.get(view.folder, -1) for view in judged])
    exact_right, ours_right = ((answers.argmax(1) == truth)[truth >= 0] for answers in (exact, ours))
    lost = _share(exact_right) - _share(ours_right)
    why = ""
    if sure.sum() < LEAST_SURE:
        why = f"the model is sure of {sure.sum()} views of the photographs alone; {LEAST_SURE} are needed to judge by"
    elif agreement < LEAST_AGREEMENT:
        why = f"it says the same as fp32 of {agreement:.1%} of the views; {LEAST_AGREEMENT:.0%} are needed"
    elif lost > MOST_LOST:
        why = f"it loses {100 * lost:.1f} points of the labels; {100 * MOST_LOST:.1f} at most"
    return Verdict(not why, why, int(sure.sum()), round(agreement, 4), len(exact_right), round(lost, 4))


def _share(flags: NDArray[np.bool_]) -> float:
    """Return the part that is true; 0 of none."""
    return float(flags.mean()) if len(flags) else 0.0


def _answers(folder: Path, precision: str, judged: list[View]) -> NDArray[np.float32]:
    """Return the probabilities that what will run gives to views."""
    runner = OpenVinoRunner(folder, precision)
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as threads:
        return np.stack(list(threads.map(runner.run, [view.pixels for view in judged])))
