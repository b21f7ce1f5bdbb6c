"""Figures of merit for boxes, against examples worked by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.detection_metrics import (
    Judged,
    average_precision,
    centre_within,
    free_response,
    hits,
    intersection_over_union,
    localisation_accuracy,
    score_at_false_boxes,
    sensitivity,
)


def judged(scores: list[float], overlaps: list[list[float]], drawn: int | None = None) -> Judged:
    """One image; ``drawn`` where nothing was found and the columns cannot be seen."""
    columns = drawn if drawn is not None else len(overlaps[0])
    return Judged(np.array(scores), np.array(overlaps, dtype=float).reshape(len(scores), columns))


def test_overlap_of_boxes() -> None:
    one = np.array([[0.0, 0, 10, 10], [20.0, 20, 30, 30]])
    other = np.array([[5.0, 0, 15, 10], [0.0, 0, 10, 10]])
    assert intersection_over_union(one, other) == pytest.approx(
        np.array([[50 / 150, 1.0], [0.0, 0.0]])
    )
    assert centre_within(one, other).tolist() == [[1.0, 1.0], [0.0, 0.0]]


def test_a_drawn_box_is_hit_once() -> None:
    found = judged([0.9, 0.8, 0.7], [[0.6, 0.1], [0.7, 0.0], [0.5, 0.45]])
    assert hits(found, 0.5).tolist() == [True, False, False]
    assert hits(found, 0.8).tolist() == [False, False, False]


def test_average_precision_by_hand() -> None:
    # By score: hit .9, false .8, hit .7, false .6; three drawn boxes, one never found.
    # Precision at the hits is 1 and 2/3; area (1 + 2/3) / 3.
    images = [
        judged([0.9, 0.6], [[0.8], [0.0]]),
        judged([0.8], [[]], drawn=0),
        judged([0.7], [[0.1, 0.9]]),
    ]
    assert average_precision(images, 0.5) == pytest.approx((1 + 2 / 3) / 3)
    # A precision that rises later lifts what came before: false .9, hit .8, hit .7 -> 2/3 twice.
    images = [judged([0.9, 0.8, 0.7], [[0.0, 0.0], [0.9, 0.0], [0.0, 0.9]])]
    assert average_precision(images, 0.5) == pytest.approx(2 / 3)
    assert np.isnan(average_precision([judged([0.5], [[]], drawn=0)], 0.5))
    assert average_precision([judged([], [], drawn=2)], 0.5) == 0.0


def test_free_response_by_hand() -> None:
    clear = [judged([0.8, 0.3], [[], []], drawn=0), judged([0.5], [[]], drawn=0)]
    images = [judged([0.9], [[0.6]]), judged([0.6], [[0.6]]), judged([0.4], [[0.6]])]
    # No false box: above .8. Half a box an image: above .5. One and a half: everything.
    assert free_response(images, clear, [0.0, 0.5, 1.5], 0.5) == pytest.approx([1 / 3, 2 / 3, 1])
    assert score_at_false_boxes(clear, 0.5) > 0.5 and score_at_false_boxes(clear, 0.5) < 0.51
    assert sensitivity([], 0.5, 0.0) != sensitivity([], 0.5, 0.0)


def test_localisation_asks_the_highest_box_where_something_is_drawn() -> None:
    images = [
        judged([0.2, 0.9], [[0.9], [0.35]]),
        judged([], [], drawn=1),
        judged([0.9], [[]], drawn=0),
    ]
    assert localisation_accuracy(images, 0.3) == pytest.approx(0.5)
    assert localisation_accuracy(images, 0.5) == 0.0
    assert np.isnan(localisation_accuracy([], 0.5))


@given(st.lists(st.floats(0.01, 1), max_size=20), st.floats(0, 3))
def test_the_score_for_a_rate_of_false_boxes_holds_it(scores: list[float], rate: float) -> None:
    clear = [judged(scores, [[] for _ in scores], drawn=0), judged([], [], drawn=0)]
    score = score_at_false_boxes(clear, rate)
    assert sum(value >= score for value in scores) <= rate * len(clear) + 1e-9
