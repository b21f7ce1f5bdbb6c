"""Figures of merit for boxes: average precision, free-response curves, localisation accuracy.

All of them work on :class:`Judged`, one finding in one image, so that any rule of what counts as a
hit can be put in. Drawn boxes are not exhaustive, so the caller chooses the images: those with a
drawn box, and those known to be free of the finding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Judged:
    """One finding in one image: scores ``(found,)``, overlaps ``(found, drawn)``."""

    scores: Floats
    overlaps: Floats

    @property
    def drawn(self) -> int:
        """Number of drawn boxes."""
        return int(self.overlaps.shape[1])


def intersection_over_union(found: Floats, drawn: Floats) -> Floats:
    """Overlaps ``(found, drawn)`` of boxes ``(n, 4)``: x_min, y_min, x_max, y_max."""
    low = np.maximum(found[:, None, :2], drawn[None, :, :2])
    high = np.minimum(found[:, None, 2:], drawn[None, :, 2:])
    shared: Floats = np.prod(np.clip(high - low, 0, None), axis=2)
    areas = [np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) for boxes in (found, drawn)]
    union = areas[0][:, None] + areas[1][None] - shared
    overlaps: Floats = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    return overlaps


def centre_within(found: Floats, drawn: Floats) -> Floats:
    """1 where a found box's centre lies in a drawn box, else 0; shapes as above."""
    centre = (found[:, None, :2] + found[:, None, 2:]) / 2
    inside = (centre >= drawn[None, :, :2]) & (centre <= drawn[None, :, 2:])
    within: NDArray[np.bool_] = np.all(inside, axis=2)
    return within.astype(np.float64)


def hits(judged: Judged, threshold: float) -> NDArray[np.bool_]:
    """Which found boxes are hits; each drawn box is hit once, by the highest score.

    A found box counts for the drawn one that it overlaps most, as in PASCAL VOC: a second box on
    the same finding is a false one.
    """
    result = np.zeros(len(judged.scores), dtype=np.bool_)
    if judged.drawn == 0:
        return result
    taken = np.zeros(judged.drawn, dtype=np.bool_)
    for place in np.argsort(-judged.scores, kind="stable"):
        best = int(judged.overlaps[place].argmax())
        if judged.overlaps[place, best] >= threshold and not taken[best]:
            result[place] = taken[best] = True
    return result


def average_precision(images: Sequence[Judged], threshold: float) -> float:
    """Area under the precision-recall curve, at every recall (PASCAL VOC 2010); NaN: none drawn."""
    if not images:
        return float("nan")
    scores = np.concatenate([judged.scores for judged in images])
    hit = np.concatenate([hits(judged, threshold) for judged in images])
    return precision_area(scores, hit, sum(judged.drawn for judged in images))


def precision_area(scores: Floats, hit: NDArray[np.bool_], drawn: int) -> float:
    """Average precision of found boxes whose hits are known already; NaN: none drawn."""
    if drawn == 0:
        return float("nan")
    hit = hit[np.argsort(-scores, kind="stable")]
    if not hit.any():
        return 0.0
    found = np.cumsum(hit)
    precision = found / np.arange(1, len(hit) + 1)
    # Precision is made to fall with recall: at each recall the best that is reached there or later.
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    return float(envelope[hit].sum() / drawn)


def score_at_false_boxes(clear: Sequence[Judged], rate: float) -> float:
    """Least score that leaves at most ``rate`` boxes for each image without the finding."""
    scores = np.sort(np.concatenate([np.zeros(0), *(judged.scores for judged in clear)]))[::-1]
    allowed = int(rate * len(clear) + 1e-9)
    return 0.0 if allowed >= len(scores) else float(np.nextafter(scores[allowed], np.inf))


def sensitivity(images: Sequence[Judged], threshold: float, score: float) -> float:
    """Share of drawn boxes that a box of at least ``score`` hits; NaN: none drawn."""
    drawn = sum(judged.drawn for judged in images)
    if drawn == 0:
        return float("nan")
    found = sum(int((hits(own, threshold) & (own.scores >= score)).sum()) for own in images)
    return found / drawn


def free_response(
    images: Sequence[Judged], clear: Sequence[Judged], rates: Sequence[float], threshold: float
) -> list[float]:
    """Sensitivity on ``images`` at each rate of false boxes for an image of ``clear`` (FROC)."""
    return [sensitivity(images, threshold, score_at_false_boxes(clear, rate)) for rate in rates]


def localisation_accuracy(images: Sequence[Judged], threshold: float) -> float:
    """Share of images whose highest box of the finding meets a drawn one; NaN: none drawn.

    Asked only where the finding is drawn, as Wang et al. (CVPR 2017, section 4.2) do. One box for
    an image is stricter than theirs and than Li et al.'s (CVPR 2018), where any of several regions
    may hit.
    """
    met = [
        bool(len(own.scores)) and bool(own.overlaps[own.scores.argmax()].max() >= threshold)
        for own in images
        if own.drawn
    ]
    return float(np.mean(met)) if met else float("nan")
