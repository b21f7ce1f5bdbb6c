"""What a cardiothoracic ratio says about cardiomegaly: for, against, or too close to tell."""

from __future__ import annotations

import math
from typing import Final

from findings.vocabulary import Polarity
from imaging.study import View
from imaging.thoracic_measurements import cardiothoracic_threshold

RATIO_ERROR: Final = 0.013
"""Mean absolute error of the ratio on the segmenter's masks (docs/measurements.md)."""

INDIRECT_RATIO_ERROR: Final = 0.03
"""The same where the heart's borders had to be read off the lungs."""

INTERCEPT: Final = -2.0
SLOPE: Final = 20.0


def cardiomegaly_probability(ratio: float, view: View) -> float:
    """Probability that a reader reports cardiomegaly, given the measured ratio.

    Logistic in the distance of the ratio from the view's limit (docs/measurements.md).
    """
    logit = INTERCEPT + SLOPE * (ratio - cardiothoracic_threshold(view))
    return 1.0 / (1.0 + math.exp(-logit))


def cardiomegaly_polarity(ratio: float, view: View, error: float = RATIO_ERROR) -> Polarity | None:
    """Above the view's limit by more than the error, below it by more, or neither (`None`)."""
    distance = ratio - cardiothoracic_threshold(view)
    if abs(distance) <= error:
        return None
    return Polarity.PRESENT if distance > 0 else Polarity.ABSENT
