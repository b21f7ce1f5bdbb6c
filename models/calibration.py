"""From logits to probabilities and decisions: Platt scaling and operating points."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

_LEAST_POSITIVES = 10
_SLOPE_PRIOR_STRENGTH = 4.0


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PlattScale(_Frozen):
    """Probability = sigmoid(slope x logit + intercept) (Platt, 1999)."""

    slope: float = Field(gt=0)
    intercept: float

    def apply(self, logits: NDArray[np.float64]) -> NDArray[np.float64]:
        """Calibrated probabilities of raw logits."""
        scaled = np.clip(self.slope * logits + self.intercept, -30, 30)
        probability: NDArray[np.float64] = 1 / (1 + np.exp(-scaled))
        return probability


class OperatingPoint(_Frozen):
    """A threshold on the calibrated probability, and what it reached where it was chosen."""

    threshold: float = Field(ge=0, le=1)
    sensitivity: float = Field(ge=0, le=1)
    specificity: float = Field(ge=0, le=1)


class OperatingPoints(_Frozen):
    """Thresholds for three purposes; ``confident`` is None where too few cases could support it."""

    balanced: OperatingPoint = Field(description="largest sensitivity + specificity (Youden)")
    sensitive: OperatingPoint = Field(description="highest threshold with sensitivity >= 0.9")
    confident: OperatingPoint | None = Field(
        default=None, description="lowest threshold with specificity >= 0.97"
    )


def _fit(
    logits: NDArray[np.float64], truth: NDArray[np.bool_], slope_prior: float, strength: float
) -> PlattScale:
    """Penalised maximum likelihood: the slope is drawn to ``slope_prior``."""
    from scipy.optimize import minimize

    # Platt's own softened targets keep the fit finite when a class does not occur.
    positives, negatives = int(truth.sum()), int((~truth).sum())
    target = np.where(truth, (positives + 1) / (positives + 2), 1 / (negatives + 2))

    def objective(parameters: NDArray[np.float64]) -> float:
        scaled = np.exp(parameters[0]) * logits + parameters[1]
        likelihood = float(np.sum(np.logaddexp(0, scaled) - target * scaled))
        return likelihood + strength * float(parameters[0] - np.log(slope_prior)) ** 2

    start = np.array([np.log(slope_prior), 0.0])
    found = minimize(objective, start, method="Nelder-Mead", options={"xatol": 1e-4}).x
    return PlattScale(slope=float(np.exp(found[0])), intercept=float(found[1]))


def fit_platt(
    logits: NDArray[np.float64],
    truth: NDArray[np.bool_],
    known: NDArray[np.bool_] | None = None,
) -> list[PlattScale]:
    """Fit a scale for each column of ``logits`` and ``truth``, both ``(cases, findings)``.

    ``known`` says which cases count for which finding; None: all for each.

    A slope common to all findings is fitted first (each with its own intercept, by centring);
    each finding's own slope is then drawn towards it, so that a finding with three positive
    cases does not get a slope of its own making. Add one positive and one negative pseudo-case
    in the mean logits, so that an unseen class does not give a certainty.
    """
    asked = np.ones_like(truth) if known is None else known
    cases = [(logits[own, column], truth[own, column]) for column, own in enumerate(asked.T)]
    centred, labels = [], []
    for values, positive in cases:
        if positive.any() and not positive.all():
            log_odds = np.log(positive.mean() / (1 - positive.mean()))
            centred.append(values - values.mean() + log_odds)
            labels.append(positive)
    common = (
        _fit(np.concatenate(centred), np.concatenate(labels), 1.0, 0.0).slope if centred else 1.0
    )
    return [_fit(values, positive, common, _SLOPE_PRIOR_STRENGTH) for values, positive in cases]


def _point(
    probability: NDArray[np.float64], truth: NDArray[np.bool_], threshold: float
) -> OperatingPoint:
    called = probability >= threshold
    return OperatingPoint(
        threshold=threshold,
        sensitivity=float(called[truth].mean()),
        specificity=float((~called[~truth]).mean()),
    )


def choose_operating_points(
    probability: NDArray[np.float64], truth: NDArray[np.bool_]
) -> OperatingPoints:
    """Choose thresholds on the cases given; both classes must occur among them.

    Thresholds lie midway between neighbouring probabilities. ``confident`` needs ten positive
    cases and at least one of them above the threshold.

    Raises:
        ValueError: only one class occurs.
    """
    if not truth.any() or truth.all():
        raise ValueError("operating points need positive and negative cases")
    values = np.unique(probability)
    candidates = [float(v) for v in np.concatenate([[0.0], (values[1:] + values[:-1]) / 2, [1.0]])]
    points = [_point(probability, truth, threshold) for threshold in candidates]
    balanced = max(points, key=lambda point: point.sensitivity + point.specificity)
    # Where the balanced point is sensitive enough itself, no higher threshold takes its place.
    sensitive = max(
        (p for p in points if p.sensitivity >= 0.9 and p.threshold <= balanced.threshold),
        key=lambda point: point.threshold,
    )
    specific = [p for p in points if p.specificity >= 0.97 and p.sensitivity > 0]
    confident = (
        min(specific, key=lambda point: point.threshold)
        if specific and int(truth.sum()) >= _LEAST_POSITIVES
        else None
    )
    return OperatingPoints(balanced=balanced, sensitive=sensitive, confident=confident)
