"""Bootstrap intervals against cases whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.bootstrap import draws, estimate, mean_estimate


def test_the_interval_of_a_mean_is_that_of_the_normal_law() -> None:
    values = np.random.default_rng(3).normal(5.0, 2.0, 400)
    found = mean_estimate(list(values), range(400))
    half = 1.96 * values.std() / 20
    assert found.value == pytest.approx(values.mean())
    assert found.low == pytest.approx(values.mean() - half, abs=0.06)
    assert found.high == pytest.approx(values.mean() + half, abs=0.06)


def test_about_95_of_100_intervals_hold_the_truth() -> None:
    random = np.random.default_rng(0)
    held = 0
    for seed in range(100):
        values = random.normal(0.0, 1.0, 60)
        found = estimate(lambda c, v=values: float(v[c].mean()), range(60), repeats=200, seed=seed)
        held += found.low <= 0.0 <= found.high
    assert 87 <= held <= 99


def test_films_of_one_patient_are_drawn_together() -> None:
    patients = ["a", "a", "a", "b", "b"]
    for indices in draws(patients, repeats=50):
        counts = np.bincount(indices, minlength=5)
        assert counts[0] == counts[1] == counts[2]
        assert counts[3] == counts[4]
        assert counts[0] + counts[3] == 2


def test_copies_of_a_film_do_not_narrow_the_interval() -> None:
    values = list(np.random.default_rng(1).normal(0, 1, 50))
    once = mean_estimate(values, range(50))
    often = mean_estimate(values * 20, list(range(50)) * 20)
    assert often.high - often.low == pytest.approx(once.high - once.low, rel=0.01)


def test_a_figure_that_the_cases_do_not_allow_is_none() -> None:
    assert estimate(lambda _: float("nan"), [1, 2, 3]).value is None
    assert mean_estimate([], []).shown() == "n/a"


@given(st.lists(st.floats(-10, 10), min_size=1, max_size=20))
def test_the_interval_lies_within_the_values(values: list[float]) -> None:
    found = mean_estimate(values, range(len(values)))
    assert min(values) - 1e-9 <= found.low <= found.high <= max(values) + 1e-9
