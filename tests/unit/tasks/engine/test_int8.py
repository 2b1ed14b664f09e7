"""int8 is kept where it says what fp32 says, and refused with the reason where it does not."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tasks.engine.int8 import LEAST_SURE, Verdict, judge
from tasks.engine.views import View

LABELS = ("ant", "bee", "cat")


def answers(classes: list[int], sure: float = 0.8) -> NDArray[np.float32]:
    """Return probabilities whose best are these classes."""
    rows = np.full((len(classes), len(LABELS)), (1 - sure) / 2, np.float32)
    rows[np.arange(len(classes)), classes] = sure
    return rows


def judged(exact: NDArray[np.float32], ours: NDArray[np.float32], folder: str = "mine") -> Verdict:
    return judge(exact, ours, [View(np.zeros((1, 1, 3), np.uint8), folder)] * len(exact), LABELS)


def test_what_says_the_same_is_taken() -> None:
    found = judged(answers([0, 1] * 50), answers([0, 1] * 49 + [0, 2]))

    assert found == Verdict(taken=True, why="", views=100, agreement=0.99, labelled=0, lost=0.0)


def test_less_than_97_percent_of_the_same_answers_are_too_few() -> None:
    found = judged(answers([0] * 100), answers([0] * 96 + [1] * 4))

    assert not found.taken
    assert found.why == "it says the same as fp32 of 96.0% of the views; 97% are needed"
    assert judged(answers([0] * 100), answers([0] * 97 + [1] * 3)).taken


def test_more_than_0_7_points_of_the_labels_are_too_much() -> None:
    exact, ours = answers([2] * 300), answers([2] * 297 + [1] * 3)

    assert judged(exact, ours).taken
    found = judged(exact, ours, folder="cat")
    assert (found.taken, found.labelled) == (False, 300)
    assert found.why == "it loses 1.0 points of the labels; 0.7 at most"
    assert judged(exact, answers([2] * 298 + [1] * 2), folder="cat").taken


def test_views_that_fp32_is_not_sure_of_prove_nothing() -> None:
    unsure = answers([0] * 100, sure=0.4), answers([1] * 100, sure=0.4)
    sure = answers([0] * LEAST_SURE), answers([0] * LEAST_SURE)

    assert judged(*map(np.concatenate, zip(unsure, sure, strict=True))).taken
    found = judged(*map(np.concatenate, zip(unsure, [rows[1:] for rows in sure], strict=True)))
    assert not found.taken
    assert found.why == "the model is sure of 39 views of the photographs alone; 40 are needed to judge by"
