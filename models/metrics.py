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


def hamming_loss(called: NDArray[np.bool_], truth: NDArray[np.bool_]) -> float:
    """Share of wrong calls among all ``(images, findings)``; NaN when there are none.

    CliniQure (section 4.2.2) reports it beside its classifier's loss.
    """
    return float((called != truth).mean()) if truth.size else float("nan")


def bootstrap_interval(
    scores: NDArray[np.float64],
    truth: NDArray[np.bool_],
    groups: NDArray[np.int64],
    repeats: int = 500,
    seed: int = 0,
) -> tuple[float, float]:
    """95 % interval of the area under one finding's curve; see `bootstrap_mean_interval`."""
    return bootstrap_mean_interval(scores[:, None], truth[:, None], groups, repeats, seed)


def bootstrap_mean_interval(
    scores: NDArray[np.float64],
    truth: NDArray[np.bool_],
    groups: NDArray[np.int64],
    repeats: int = 500,
    seed: int = 0,
) -> tuple[float, float]:
    """95 % interval of the area under the curve, averaged over the findings (columns).

    Whole groups (patients) are drawn anew. A finding of which a draw lacks one class does not
    count in that draw; (NaN, NaN) when no draw has both classes of any finding.
    """
    random = np.random.default_rng(seed)
    members = [np.flatnonzero(groups == group) for group in np.unique(groups)]
    means = []
    for _ in range(repeats):
        drawn = np.concatenate(
            [members[index] for index in random.integers(0, len(members), len(members))]
        )
        values = [
            area_under_curve(scores[drawn, column], truth[drawn, column])
            for column in range(scores.shape[1])
        ]
        measured = [value for value in values if not np.isnan(value)]
        if measured:
            means.append(sum(measured) / len(measured))
    if not means:
        return float("nan"), float("nan")
    low, high = np.percentile(means, [2.5, 97.5])
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
