"""What every engine does, whatever runs the model."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from app.errors import InvalidImage
from tasks.engine import Engine, load
from tests.support import photographs
from tests.support.engines import config, engine


@pytest.fixture(params=["fp32", "int8", "torch"])
def each(request: pytest.FixtureRequest) -> Engine:
    if request.param == "torch":
        return engine(ELASTIQ_ENGINE="torch")
    return engine(ELASTIQ_PRECISION=request.param)


def test_it_tells_a_cat_from_a_cup_of_coffee(each: Engine) -> None:
    assert each.classify(photographs.chelsea())[0].label in {"tabby", "tiger cat", "Egyptian cat"}
    assert each.classify(photographs.coffee())[0].label == "espresso"


def test_it_answers_with_five_different_labels_best_first(each: Engine) -> None:
    answer = each.classify(photographs.chelsea())

    scores = [prediction.score for prediction in answer]
    assert len({prediction.label for prediction in answer}) == 5
    assert scores == sorted(scores, reverse=True)
    assert 0.9 < sum(scores) <= 1


def test_it_is_right_on_at_least_17_of_20_labelled_photographs(each: Engine) -> None:
    right = [
        each.classify(path.read_bytes())[0].label == each.labels[int(path.stem.rsplit("_", 1)[1])]
        for path in photographs.labelled()
    ]

    assert sum(right) >= 17


def test_threads_get_the_answers_that_one_thread_gets(each: Engine) -> None:
    images = [path.read_bytes() for path in photographs.labelled()]
    alone = [each.classify(image) for image in images]

    with ThreadPoolExecutor(8) as threads:
        together = list(threads.map(each.classify, images * 2))

    for one, other in zip(alone * 2, together, strict=True):
        assert one[0].label == other[0].label
        assert one[0].score == pytest.approx(other[0].score, abs=1e-4)


def test_a_bad_image_fails_alone_among_good_ones(each: Engine) -> None:
    with ThreadPoolExecutor(4) as threads:
        good = [threads.submit(each.classify, photographs.coffee()) for _ in range(6)]
        bad = threads.submit(each.classify, photographs.coffee()[:9000])

        with pytest.raises(InvalidImage, match="cut short"):
            bad.result()
        assert {each.result()[0].label for each in good} == {"espresso"}


@pytest.mark.parametrize("name", ["efficientnet_lite1", "efficientnet_lite2"])
def test_the_larger_models_have_their_own_weights_and_sizes(name: str) -> None:
    larger = load(name, config(ELASTIQ_ENGINE="torch"))
    right = [
        larger.classify(path.read_bytes())[0].label == larger.labels[int(path.stem.rsplit("_", 1)[1])]
        for path in photographs.labelled()
    ]

    assert (larger.preprocessing.resize, larger.preprocessing.crop) == {"1": (272, 240), "2": (292, 260)}[name[-1]]
    assert sum(right) >= 17


def test_int8_says_what_fp32_says() -> None:
    exact, ours = engine(ELASTIQ_PRECISION="fp32"), engine(ELASTIQ_PRECISION="int8")
    answers = [(exact.classify(path.read_bytes()), ours.classify(path.read_bytes())) for path in photographs.labelled()]

    assert ours.runner.precision == "int8"
    assert sum(one[0].label == other[0].label for one, other in answers) >= 19
    assert all(other[0].label in {each.label for each in one[:2]} for one, other in answers)
    assert sum(abs(one[0].score - other[0].score) for one, other in answers) / len(answers) < 0.05


def test_both_engines_say_the_same() -> None:
    compiled, torch = engine(ELASTIQ_PRECISION="fp32"), engine(ELASTIQ_ENGINE="torch")

    assert compiled.labels == torch.labels
    for path in photographs.labelled():
        ours, theirs = compiled.classify(path.read_bytes()), torch.classify(path.read_bytes())
        assert ours[0].label == theirs[0].label
        assert [each.score for each in ours] == pytest.approx([each.score for each in theirs], abs=1e-3)
