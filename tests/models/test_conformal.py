"""Conformal sets: the promised coverage, on new cases, whatever the model is worth."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from findings.vocabulary import Plausible
from models.conformal import ConformalRule, covered, fit_conformal


def test_thresholds_by_hand() -> None:
    # Nineteen cases of each class: a tenth of twenty is two, so the second lowest and highest.
    values = np.arange(1, 20) / 20
    rule = fit_conformal(
        np.concatenate([values, values]), np.repeat([True, False], 19), coverage=0.9
    )
    assert rule.present_from == pytest.approx(0.10) and rule.absent_to == pytest.approx(0.90)
    assert [rule.judge(p) for p in (0.05, 0.10, 0.90, 0.95)] == [
        Plausible.ABSENT,
        Plausible.EITHER,
        Plausible.EITHER,
        Plausible.PRESENT,
    ]


def test_a_class_of_three_cases_is_never_ruled_out() -> None:
    rule = fit_conformal(np.array([0.9, 0.8, 0.7, 0.1]), np.array([True, True, True, False]))
    assert rule.present_from == 0.0 and rule.absent_to == 1.0
    assert rule.judge(0.0) is rule.judge(1.0) is Plausible.EITHER


def test_what_neither_class_shows_is_said_to_be_neither() -> None:
    rule = ConformalRule(coverage=0.9, present_from=0.7, absent_to=0.2, positives=50, negatives=50)
    assert rule.judge(0.5) is Plausible.NEITHER


@pytest.mark.parametrize("skill", [0.0, 1.0, 3.0])
@pytest.mark.parametrize("coverage", [0.8, 0.9])
def test_new_cases_are_covered_as_promised(skill: float, coverage: float) -> None:
    random = np.random.default_rng(5)
    shares = []
    for _ in range(300):
        truth = np.arange(160) < 60
        chance = 1 / (1 + np.exp(-random.normal(skill * truth, 1.0)))
        old = random.permutation(160) < 80
        rule = fit_conformal(chance[old], truth[old], coverage)
        held = covered(rule, chance[~old], truth[~old])
        shares.append([held[truth[~old]].mean(), held[~truth[~old]].mean()])
    for share in np.mean(shares, axis=0):
        assert coverage - 0.01 <= share <= coverage + 0.06


@given(
    st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=60),
    st.floats(0.55, 0.95),
)
def test_calibration_cases_themselves_are_covered(
    cases: list[tuple[float, bool]], coverage: float
) -> None:
    chance, truth = np.array([c for c, _ in cases]), np.array([t for _, t in cases])
    held = covered(fit_conformal(chance, truth, coverage), chance, truth)
    for of_class in (truth, ~truth):
        if of_class.any():
            assert held[of_class].mean() >= coverage - 1e-9 - 1 / of_class.sum()
