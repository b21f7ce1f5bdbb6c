"""The points of curves that show an expert's quality: numbers, to be drawn or kept as JSON."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from findings.claims import Frozen
from findings.vocabulary import Side

_Z = 1.959964
_MOST_POINTS = 200


class ReliabilityBin(Frozen):
    """Cases whose stated probability lies in one bin, and how many of them have the finding."""

    lowest: float
    highest: float
    cases: int
    mean_probability: float
    frequency: float
    frequency_low: float = Field(description="95 % interval (Wilson, JASA 1927)")
    frequency_high: float


class OperatingMark(Frozen):
    """A threshold in use, and what it reaches on these cases."""

    name: str
    threshold: float
    sensitivity: float
    specificity: float


class RocCurve(Frozen):
    """A receiver operating characteristic: points from (0, 0) to (1, 1)."""

    name: str
    false_positive_rate: tuple[float, ...]
    true_positive_rate: tuple[float, ...]
    marks: tuple[OperatingMark, ...] = ()


class FrocCurve(Frozen):
    """Free-response characteristic: share of lesions hit at so many false marks an image."""

    name: str
    false_positives_per_image: tuple[float, ...]
    sensitivity: tuple[float, ...]


class SideConfusion(Frozen):
    """How often an expert gave which side for a finding whose box lies on a side."""

    expert: str
    counts: dict[Side, dict[str, int]] = Field(
        description="true side -> side given (or 'none') -> number of findings"
    )

    @property
    def findings(self) -> int:
        """Number of boxed findings judged."""
        return sum(sum(row.values()) for row in self.counts.values())

    @property
    def opposite(self) -> int:
        """How often the left was given for the right, or the right for the left."""
        left, right = (self.counts.get(side, {}) for side in (Side.LEFT, Side.RIGHT))
        return left.get(Side.RIGHT.value, 0) + right.get(Side.LEFT.value, 0)


def reliability(
    probability: NDArray[np.float64], truth: NDArray[np.bool_], bins: int = 10
) -> tuple[ReliabilityBin, ...]:
    """Bins of equal width over [0, 1]; empty ones are left out."""
    place = np.minimum((probability * bins).astype(np.int64), bins - 1)
    found = []
    for number in range(bins):
        inside = place == number
        cases = int(inside.sum())
        if cases == 0:
            continue
        positives = int(truth[inside].sum())
        low, high = wilson_interval(positives, cases)
        found.append(
            ReliabilityBin(
                lowest=number / bins,
                highest=(number + 1) / bins,
                cases=cases,
                mean_probability=float(probability[inside].mean()),
                frequency=positives / cases,
                frequency_low=low,
                frequency_high=high,
            )
        )
    return tuple(found)


def wilson_interval(positives: int, cases: int) -> tuple[float, float]:
    """95 % interval of a share (Wilson, JASA 1927); (0, 1) without a case."""
    if cases == 0:
        return 0.0, 1.0
    share = positives / cases
    centre = (share + _Z**2 / (2 * cases)) / (1 + _Z**2 / cases)
    half = _Z * math.sqrt(share * (1 - share) / cases + _Z**2 / (4 * cases**2))
    half /= 1 + _Z**2 / cases
    # At 0 and 1 the bound is the share itself, but for rounding.
    return max(0.0, min(share, centre - half)), min(1.0, max(share, centre + half))


def roc_curve(
    name: str,
    score: NDArray[np.float64],
    truth: NDArray[np.bool_],
    marks: Iterable[OperatingMark] = (),
) -> RocCurve | None:
    """The curve of one finding, thinned to at most 200 points; None where one class is missing."""
    if not truth.any() or truth.all():
        return None
    order = np.argsort(-score, kind="stable")
    ranked, labels = score[order], truth[order]
    last_of_tie = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1)
    hits = np.cumsum(labels)[last_of_tie] / labels.sum()
    misses = np.cumsum(~labels)[last_of_tie] / (~labels).sum()
    kept = _thinned(len(hits))
    return RocCurve(
        name=name,
        false_positive_rate=(0.0, *(round(float(v), 5) for v in misses[kept])),
        true_positive_rate=(0.0, *(round(float(v), 5) for v in hits[kept])),
        marks=tuple(marks),
    )


def operating_mark(
    name: str, threshold: float, score: NDArray[np.float64], truth: NDArray[np.bool_]
) -> OperatingMark | None:
    """What calling every score from ``threshold`` on reaches; None where one class is missing."""
    if not truth.any() or truth.all():
        return None
    called = score >= threshold
    return OperatingMark(
        name=name,
        threshold=threshold,
        sensitivity=float(called[truth].mean()),
        specificity=float((~called[~truth]).mean()),
    )


def side_confusion(expert: str, pairs: Sequence[tuple[Side, Side | None]]) -> SideConfusion:
    """Count pairs of true side and side given."""
    counts: dict[Side, dict[str, int]] = {}
    for true, given in pairs:
        row = counts.setdefault(true, {})
        key = given.value if given is not None else "none"
        row[key] = row.get(key, 0) + 1
    return SideConfusion(expert=expert, counts=counts)


def _thinned(points: int) -> NDArray[np.int64]:
    return np.unique(np.linspace(0, points - 1, min(points, _MOST_POINTS)).round().astype(np.int64))
