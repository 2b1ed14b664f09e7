"""What the measurements of a queue come to, in numbers."""

from __future__ import annotations

import random

import pytest

from app.account.doctor.lag import Lag, ages, disorder, quantile


def test_a_count_is_as_old_as_the_first_message_that_it_leaves_out() -> None:
    sent = [0.0, 1.0, 2.0, 3.0]
    assert ages(sent, [(0.5, 1), (3.5, 4), (3.5, 1), (3.5, 0), (2.5, 3)]) == (0.0, 0.0, 2.5, 3.5, 0.0)


def test_a_count_that_is_ahead_of_an_answer_is_not_old() -> None:
    assert ages([0.0, 1.0], [(0.5, 2)]) == (0.0,)


def test_messages_in_order_have_no_disorder_and_shuffled_ones_about_1() -> None:
    shuffled = list(range(1000))
    random.Random(0).shuffle(shuffled)
    assert disorder(range(1000)) == 0.0
    assert disorder([3, 5, 9]) == 0.0
    assert disorder(shuffled) == pytest.approx(1.0, abs=0.1)
    assert disorder([]) == disorder([1]) == 0.0


def test_quantiles_are_values_that_were_measured() -> None:
    values = [float(n) for n in range(1, 101)]
    assert (quantile(values, 0.5), quantile(values, 0.99), quantile([7.0], 0.99)) == (50.0, 99.0, 7.0)


@pytest.mark.parametrize(
    ("shuffled", "options"), [(0.1, "--lag 4.0 --disorder 0.10"), (1.1, "--lag 4.0 --disorder 1.00")]
)
def test_the_simulator_s_options_are_told(shuffled: float, options: str) -> None:
    told = Lag(30, (2.0, 6.0), shuffled, 0).to_json()
    assert told["simulator"] == options
    assert (told["lag_p50_s"], told["lag_p99_s"]) == (2.0, 6.0)
