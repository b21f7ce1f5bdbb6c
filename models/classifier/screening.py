"""Tuberculosis: one more output on the trained and then frozen trunk.

NIH does not label it, so it is learnt from the two sets that do, after the trunk has learnt the
fourteen findings: a logistic regression on the pooled features. The trunk never sees a
tuberculosis label, so that either hospital can be held out to test what was learnt at the other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from findings.errors import StudyError
from models.classifier.cropping import pooled_views
from models.classifier.network import FindingNetwork
from models.classifier.preset import MemberSettings
from models.data.finding_cache import TARGETS, FindingArrays
from models.data.finding_sources import TUBERCULOSIS
from models.data.records import Split
from models.metrics import area_under_curve

COLUMN = TARGETS.index(TUBERCULOSIS)
SOURCES = ("montgomery", "shenzhen")
_PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1)
FOLDS = 5


@dataclass(frozen=True, slots=True)
class ScreenFeatures:
    """Pooled features ``(views, rows, channels)`` of the images ``rows`` of some arrays."""

    rows: NDArray[np.int64]
    values: NDArray[np.float32]

    def of(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Features ``(views, rows, channels)`` of some of the images."""
        place = {int(row): index for index, row in enumerate(self.rows)}
        return self.values[:, [place[int(row)] for row in rows]]


@dataclass(frozen=True, slots=True)
class Screen:
    """A linear output on pooled features."""

    weight: NDArray[np.float64]
    bias: float

    def logits(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """``(rows,)``: the mean over the views of ``(views, rows, channels)``."""
        found: NDArray[np.float64] = (features @ self.weight + self.bias).mean(axis=0)
        return found


def pooled_features(
    network: FindingNetwork,
    arrays: FindingArrays,
    rows: NDArray[np.int64],
    member: MemberSettings,
    margin: float,
) -> ScreenFeatures:
    """What the network's last layer sees of each view of each image."""

    def one(row: int) -> NDArray[np.float32]:
        image = torch.from_numpy(arrays.images[row]).float().div(255)[None, None]
        lungs = torch.from_numpy(arrays.boxes[row])[None]
        pooled: NDArray[np.float32] = pooled_views(network, image, lungs, member, margin).numpy()
        return pooled

    return ScreenFeatures(rows, np.stack([one(int(row)) for row in rows], axis=1))


def fit_screen(
    features: NDArray[np.float32], truth: NDArray[np.bool_], trials: int = FOLDS
) -> Screen:
    """Penalised logistic regression, each view a case of its own.

    ``features`` is ``(views, rows, channels)``. The penalty is chosen by cross-validation over
    images, of whose folds the first ``trials`` are tried. Channels are scaled to unit variance for
    the fit, and the scale folded back.
    """
    folds = np.arange(len(truth)) % FOLDS
    tried = folds < trials
    reached = []
    for penalty in _PENALTIES:
        held = np.empty(len(truth))
        for fold in range(trials):
            inside = folds != fold
            screen = _regression(features[:, inside], truth[inside], penalty)
            held[~inside] = screen.logits(features[:, ~inside])
        reached.append(area_under_curve(held[tried], truth[tried]))
    return _regression(features, truth, _PENALTIES[int(np.argmax(reached))])


def _regression(features: NDArray[np.float32], truth: NDArray[np.bool_], penalty: float) -> Screen:
    from sklearn.linear_model import LogisticRegression

    views, _, channels = features.shape
    cases = features.reshape(-1, channels).astype(np.float64)
    centre, spread = cases.mean(axis=0), cases.std(axis=0) + 1e-6
    model = LogisticRegression(C=penalty, max_iter=300)
    model.fit((cases - centre) / spread, np.tile(truth, views))
    weight = model.coef_[0] / spread
    return Screen(weight, float(model.intercept_[0] - weight @ centre))


def tuberculosis_rows(arrays: FindingArrays, split: Split) -> NDArray[np.int64]:
    """Images of a split with a known reading.

    Raises:
        StudyError: none, or none of one of the two readings.
    """
    rows = arrays.of(split, *SOURCES)
    rows = np.flatnonzero(np.isin(np.arange(len(arrays.sources)), rows) & arrays.known[:, COLUMN])
    if len(set(arrays.labels[rows, COLUMN])) != 2:
        raise StudyError(
            f"the {split} rows of the folder tb/ do not hold films with and without tuberculosis, "
            "so that output cannot be fitted: give both"
        )
    return rows


def write_row(head: nn.Linear, row: int, screen: Screen) -> None:
    """Put the fitted output into a network's last layer."""
    with torch.no_grad():
        head.weight[row] = torch.from_numpy(screen.weight).float()
        head.bias[row] = screen.bias
