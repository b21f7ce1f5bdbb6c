"""Platt scaling and operating points."""

from __future__ import annotations

import numpy as np
import pytest

from models.calibration import PlattScale, choose_operating_points, fit_platt
from models.metrics import expected_calibration_error


def _cases(count: int, slope: float, intercept: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    logits = random.normal(0, 2, count)
    chance = PlattScale(slope=slope, intercept=intercept).apply(logits)
    return logits, random.random(count) < chance


def test_the_fit_recovers_the_scale_that_made_the_data() -> None:
    logits, truth = _cases(20_000, 0.5, -1.0, 0)
    (scale,) = fit_platt(logits[:, None], truth[:, None])
    assert scale.slope == pytest.approx(0.5, abs=0.03)
    assert scale.intercept == pytest.approx(-1.0, abs=0.06)


def test_overconfident_logits_are_calibrated_on_unseen_cases() -> None:
    logits, truth = _cases(4_000, 0.4, -0.5, 1)
    (scale,) = fit_platt(logits[:2000, None], truth[:2000, None])
    raw = PlattScale(slope=1.0, intercept=0.0).apply(logits[2000:])
    before = expected_calibration_error(raw, truth[2000:])
    after = expected_calibration_error(scale.apply(logits[2000:]), truth[2000:])
    assert after < 0.04 < before


def test_a_finding_that_never_occurs_gets_a_finite_low_probability() -> None:
    logits, truth = _cases(400, 1.0, 0.0, 2)
    scales = fit_platt(np.stack([logits, logits], 1), np.stack([truth, np.zeros(400, bool)], 1))
    chance = scales[1].apply(logits)
    assert np.isfinite(chance).all() and chance.mean() < 0.05


def test_operating_points_keep_what_they_promise() -> None:
    logits, truth = _cases(1_000, 1.0, -1.0, 3)
    probability = PlattScale(slope=1.0, intercept=-1.0).apply(logits)
    points = choose_operating_points(probability, truth)
    assert points.sensitive.sensitivity >= 0.9
    assert points.confident is not None and points.confident.specificity >= 0.97
    assert points.sensitive.threshold < points.balanced.threshold < points.confident.threshold
    for point in (points.balanced, points.sensitive, points.confident):
        called = probability >= point.threshold
        assert called[truth].mean() == pytest.approx(point.sensitivity)
        assert (~called)[~truth].mean() == pytest.approx(point.specificity)


def test_three_cases_are_too_few_for_a_confident_point() -> None:
    truth = np.zeros(100, bool)
    truth[:3] = True
    points = choose_operating_points(np.linspace(1, 0, 100), truth)
    assert points.confident is None
    with pytest.raises(ValueError, match="positive and negative"):
        choose_operating_points(np.linspace(1, 0, 100), np.zeros(100, bool))
