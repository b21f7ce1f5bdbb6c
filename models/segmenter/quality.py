"""How far a mask can be trusted: what can be seen of it, and the chance that it is a good one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from models.segmenter.network import Structure

GOOD_OVERLAP: Final = {
    Structure.LEFT_LUNG: 0.9,
    Structure.RIGHT_LUNG: 0.9,
    Structure.HEART: 0.9,
    Structure.LEFT_CLAVICLE: 0.8,
    Structure.RIGHT_CLAVICLE: 0.8,
    Structure.AIRWAYS: 0.75,
    Structure.CARDIOMEDIASTINUM: 0.85,
}
"""Dice with a people-made mask from which a mask is called good; thin structures are allowed less,
since the same slip of the outline costs them more."""

TRAITS: Final = 4
_SOFTNESS: Final = 0.01


class AreaRange(BaseModel):
    """Share of the image that a structure covers in the training masks: 1st and 99th percentile."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    low: float = Field(ge=0, le=1)
    high: float = Field(ge=0, le=1)


@dataclass(frozen=True, slots=True)
class MaskTraits:
    """What can be seen of a mask that is not empty.

    ``certainty``: mean of ``|2p - 1|`` where the mask is or might be (p > 0.05). ``agreement``:
    soft Dice of the image's probabilities and its mirror image's, 1 where the network does not
    look at that. ``kept_share``: of the mask, the share that was not dropped as stray.
    ``unusual_area``: how far the area lies outside the usual range, as a logarithm of the ratio; 0
    within. ``area``: the mask's share of the image.
    """

    certainty: float
    agreement: float
    kept_share: float
    unusual_area: float
    area: float

    def values(self) -> NDArray[np.float64]:
        """What quality is fitted on: ``(TRAITS,)`` numbers, larger where the mask is less sure."""
        doubts = np.log([1 + _SOFTNESS - self.certainty, 1 + _SOFTNESS - self.agreement])
        strays = np.log((1 + _SOFTNESS - self.kept_share) / _SOFTNESS)
        return np.array([*doubts, strays, self.unusual_area])


class QualityModel(BaseModel):
    """Chance that a mask is a good one, by logistic regression on its traits."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    intercept: float
    weights: tuple[float, ...] = Field(min_length=TRAITS, max_length=TRAITS)

    def chance(self, traits: MaskTraits) -> float:
        """In [0, 1]."""
        score = self.intercept + float(np.dot(self.weights, traits.values()))
        return float(1 / (1 + np.exp(-np.clip(score, -30, 30))))


def mask_traits(
    logits: NDArray[np.float32], kept_share: float, agreement: float, usual: AreaRange
) -> MaskTraits | None:
    """Traits of a mask from its cleaned logits ``(size, size)``; None where it is empty."""
    chance = 1 / (1 + np.exp(-np.clip(logits, -30, 30)))
    area = float((chance > 0.5).mean())
    if area == 0:
        return None
    certainty = float(np.abs(2 * chance[chance > 0.05] - 1).mean())
    unusual = max(0.0, np.log(usual.low / area) if usual.low > 0 else 0.0)
    if usual.high > 0:
        unusual = max(unusual, float(np.log(area / usual.high)))
    return MaskTraits(certainty, agreement, kept_share, float(unusual), area)


def rule_quality(traits: MaskTraits, usual: AreaRange) -> float:
    """Trust in [0, 1] by rule, for networks that no quality was fitted for.

    Certainty times the kept share, times 1 where the area is a usual one, falling to 0 at a third
    of the lower and at 1.7 times the upper limit.
    """
    plausible = 1.0
    if traits.area < usual.low:
        plausible = (traits.area - usual.low / 3) / (usual.low * 2 / 3)
    elif traits.area > usual.high:
        plausible = (1.7 * usual.high - traits.area) / (0.7 * usual.high)
    return float(np.clip(traits.certainty * traits.kept_share * np.clip(plausible, 0, 1), 0, 1))


def soft_agreement(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Soft Dice of two probability maps of one shape; 1 where both are all but empty."""
    total = float(one.sum(dtype=np.float64) + other.sum(dtype=np.float64))
    shared = float(np.minimum(one, other).sum(dtype=np.float64))
    return (2 * shared + 1) / (total + 1)


def fit_quality(traits: NDArray[np.float64], good: NDArray[np.bool_]) -> QualityModel:
    """Fit on the traits ``(masks, TRAITS)`` of masks that were held against people-made ones.

    No trait may speak for a mask, only against it: weights are at most 0. One good and one bad
    pseudo-mask at the mean traits keep the fit finite where all masks are of one kind.
    """
    from scipy.optimize import minimize

    middle, spread = traits.mean(0), np.maximum(traits.std(0), 1e-6)
    scaled = np.vstack([(traits - middle) / spread, np.zeros((2, traits.shape[1]))])
    target = np.concatenate([good, [True, False]]).astype(np.float64)

    def objective(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        score = parameters[0] + scaled @ parameters[1:]
        error = 1 / (1 + np.exp(-score)) - target
        penalty = 0.5 * float(parameters[1:] @ parameters[1:])
        value = float(np.sum(np.logaddexp(0, score) - target * score)) + penalty
        slope = np.concatenate([[error.sum()], scaled.T @ error + parameters[1:]])
        return value, slope

    bounds = [(None, None), *[(None, 0.0)] * traits.shape[1]]
    found = minimize(
        objective, np.zeros(1 + traits.shape[1]), jac=True, method="L-BFGS-B", bounds=bounds
    ).x
    weights = found[1:] / spread
    return QualityModel(
        intercept=float(found[0] - weights @ middle),
        weights=tuple(float(weight) for weight in weights),
    )
