"""Figures of merit: overlap, area under the curve, calibration error, bootstrap intervals."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def dice(found: NDArray[np.bool_], drawn: NDArray[np.bool_]) -> float:
    """Dice overlap of two masks of one shape; 1 when both are empty."""
    total = int(found.sum()) + int(drawn.sum())
    return 1.0 if total == 0 else 2.0 * int((found & drawn).sum()) / total


def area_under_curve(scores: NDArray[np.float64], truth: NDArray[np.bool_]) -> float:
    """Area under the receiver operating curve; NaN when only one class occurs.

    It is the share of (positive, negative) pairs in the right order, ties counting half
    (Mann and Whitney).
    """
    positives, negatives = int(truth.sum()), int((~truth).sum())
    if positives == 0 or negatives == 0:
        return float("nan")
    _, place, count = np.unique(scores, return_inverse=True, return_counts=True)
    rank = (np.cumsum(count) - (count - 1) / 2)[place]
    return float((rank[truth].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def bootstrap_interval(
    scores: NDArray[np.float64],
    truth: NDArray[np.bool_],
    groups: NDArray[np.int64],
    repeats: int = 500,
    seed: int = 0,
) -> tuple[float, float]:
    """95 % interval of the area under the curve, drawing whole groups (patients) anew.

    Draws in which one class is missing are left out; (NaN, NaN) when none is left.
    """
    random = np.random.default_rng(seed)
    members = [np.flatnonzero(groups == group) for group in np.unique(groups)]
    values = []
    for _ in range(repeats):
        drawn = np.concatenate(
            [members[index] for index in random.integers(0, len(members), len(members))]
        )
        value = area_under_curve(scores[drawn], truth[drawn])
        if not np.isnan(value):
            values.append(value)
    if not values:
        return float("nan"), float("nan")
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)


def expected_calibration_error(
    probability: NDArray[np.float64], truth: NDArray[np.bool_], bins: int = 10
) -> float:
    """Mean gap between stated probability and observed frequency, over equally filled bins.

    Equally filled bins, since most findings are rare and equally wide ones would stay empty
    (Nixon et al., CVPR workshops 2019).
    """
    if len(probability) == 0:
        return float("nan")
    order = np.argsort(probability, kind="stable")
    gap = 0.0
    for part in np.array_split(order, min(bins, len(order))):
        gap += len(part) * abs(float(probability[part].mean()) - float(truth[part].mean()))
    return gap / len(order)
