"""Figures of merit against definitions and worked examples."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.metrics import (
    area_under_curve,
    bootstrap_interval,
    dice,
    expected_calibration_error,
    hamming_loss,
)


def test_dice_by_hand() -> None:
    one = np.array([[True, True], [False, False]])
    other = np.array([[True, False], [True, False]])
    assert dice(one, other) == 0.5
    assert dice(np.zeros((2, 2), bool), np.zeros((2, 2), bool)) == 1.0
    assert dice(one, ~one) == 0.0


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2, max_size=30).filter(
        lambda cases: len({truth for _, truth in cases}) == 2
    )
)
def test_area_under_curve_is_the_share_of_ordered_pairs(cases: list[tuple[int, bool]]) -> None:
    scores = np.array([score for score, _ in cases], dtype=np.float64)
    truth = np.array([label for _, label in cases])
    pairs = [
        1.0 if high > low else 0.5 if high == low else 0.0
        for high in scores[truth]
        for low in scores[~truth]
    ]
    assert area_under_curve(scores, truth) == pytest.approx(sum(pairs) / len(pairs))


def test_area_under_curve_needs_both_classes() -> None:
    assert np.isnan(area_under_curve(np.arange(3.0), np.ones(3, bool)))


def test_bootstrap_interval_holds_the_value_and_widens_with_fewer_patients() -> None:
    random = np.random.default_rng(1)
    truth = random.random(400) < 0.3
    scores = truth + random.normal(0, 1, 400)
    whole = area_under_curve(scores, truth)
    own = bootstrap_interval(scores, truth, np.arange(400))
    few = bootstrap_interval(scores, truth, np.arange(400) // 40)
    assert own[0] < whole < own[1]
    assert np.isfinite(few).all() and few[0] < whole < few[1]


def test_calibration_error_of_perfect_and_of_boastful_probabilities() -> None:
    truth = np.tile([True, False, False, False], 100)
    assert expected_calibration_error(np.full(400, 0.25), truth) == pytest.approx(0.0, abs=0.01)
    assert expected_calibration_error(np.full(400, 0.95), truth) == pytest.approx(0.70, abs=0.01)


def test_hamming_loss_is_the_share_of_wrong_calls() -> None:
    from sklearn.metrics import hamming_loss as reference

    random = np.random.default_rng(3)
    called, truth = random.random((40, 15)) < 0.3, random.random((40, 15)) < 0.2
    assert hamming_loss(called, truth) == pytest.approx(reference(truth, called))
    assert hamming_loss(truth, truth) == 0.0 and hamming_loss(~truth, truth) == 1.0
    assert np.isnan(hamming_loss(np.zeros((0, 15), bool), np.zeros((0, 15), bool)))
