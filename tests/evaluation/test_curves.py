"""Curves by hand, and pictures that are pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from evaluation.curves import (
    FrocCurve,
    operating_mark,
    reliability,
    roc_curve,
    side_confusion,
    wilson_interval,
)
from evaluation.figures import draw_froc, draw_reliability, draw_roc, draw_sides
from findings.vocabulary import Side
from models.metrics import area_under_curve


def test_reliability_bins_by_hand() -> None:
    probability = np.array([0.05, 0.05, 0.15, 0.95, 1.0])
    truth = np.array([False, True, False, True, True])
    low, second, high = reliability(probability, truth)
    assert (low.cases, low.frequency, low.mean_probability) == (2, 0.5, pytest.approx(0.05))
    assert (second.cases, second.frequency) == (1, 0.0)
    assert (high.cases, high.frequency, high.highest) == (2, 1.0, 1.0)
    assert low.frequency_low < 0.5 < low.frequency_high


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=50))
def test_every_case_is_in_one_bin(cases: list[tuple[float, bool]]) -> None:
    probability = np.array([p for p, _ in cases])
    truth = np.array([t for _, t in cases])
    bins = reliability(probability, truth)
    assert sum(item.cases for item in bins) == len(cases)
    assert sum(round(item.cases * item.frequency) for item in bins) == truth.sum()
    assert all(i.lowest - 1e-9 <= i.mean_probability <= i.highest + 1e-9 for i in bins)


def test_wilson_interval_against_a_published_example() -> None:
    # Newcombe, Stat Med 1998, Table I: 81 of 263.
    assert wilson_interval(81, 263) == (
        pytest.approx(0.2553, abs=1e-4),
        pytest.approx(0.3662, abs=1e-4),
    )
    assert wilson_interval(0, 0) == (0.0, 1.0)


@given(
    st.lists(st.tuples(st.integers(0, 9), st.booleans()), min_size=2, max_size=60).filter(
        lambda cases: len({truth for _, truth in cases}) == 2
    )
)
def test_the_area_under_the_points_is_the_area_under_the_curve(
    cases: list[tuple[int, bool]],
) -> None:
    score = np.array([float(s) for s, _ in cases])
    truth = np.array([t for _, t in cases])
    curve = roc_curve("any", score, truth)
    assert curve is not None
    area = np.trapezoid(curve.true_positive_rate, curve.false_positive_rate)
    assert area == pytest.approx(area_under_curve(score, truth), abs=1e-3)


def test_a_long_curve_is_thinned_and_keeps_its_ends() -> None:
    random = np.random.default_rng(0)
    curve = roc_curve("any", random.random(5000), random.random(5000) < 0.5)
    assert curve is not None and len(curve.true_positive_rate) <= 201
    assert curve.true_positive_rate[-1] == curve.false_positive_rate[-1] == 1.0


def test_an_operating_mark_is_what_the_threshold_reaches() -> None:
    mark = operating_mark(
        "balanced", 0.5, np.array([0.2, 0.5, 0.6, 0.9]), np.array([False, False, True, True])
    )
    assert mark is not None and (mark.sensitivity, mark.specificity) == (1.0, 0.5)
    assert operating_mark("balanced", 0.5, np.array([0.2]), np.array([True])) is None


def test_opposite_sides_are_counted() -> None:
    pairs = [
        (Side.LEFT, Side.LEFT),
        (Side.LEFT, Side.RIGHT),
        (Side.RIGHT, Side.LEFT),
        (Side.BILATERAL, Side.LEFT),
        (Side.RIGHT, None),
    ]
    confusion = side_confusion("detector", pairs)
    assert (confusion.findings, confusion.opposite) == (5, 2)
    assert confusion.counts[Side.RIGHT] == {"left": 1, "none": 1}


def test_pictures_are_small_valid_and_made_the_same_twice(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    score, truth = random.random(300), random.random(300) < 0.3
    mark = operating_mark("balanced", 0.5, score, truth)
    curves = [roc_curve(f"finding {n}", score, truth, [mark]) for n in range(14)]
    bins = reliability(score, truth)
    froc = FrocCurve(name="n", false_positives_per_image=(0, 1, 4), sensitivity=(0, 0.4, 0.7))
    sides = side_confusion("detector", [(Side.LEFT, Side.LEFT), (Side.RIGHT, None)])
    once, again = (
        [
            draw_reliability({"shipped": bins, "refitted": bins}, folder / "reliability.png"),
            draw_roc(curves, folder / "roc.png"),
            draw_froc([froc], folder / "froc.png"),
            draw_sides([sides], folder / "sides.png"),
            draw_roc([], folder / "none.png"),
        ]
        for folder in (tmp_path / "one", tmp_path / "two")
    )
    for path in once:
        with Image.open(path) as picture:
            picture.verify()
        assert 1_000 < path.stat().st_size < 150_000
    assert [p.read_bytes() for p in once] == [p.read_bytes() for p in again]
