"""What a cardiothoracic ratio says about cardiomegaly: for, against, or too close to tell."""

from __future__ import annotations

import math
from typing import Final

from findings.vocabulary import Polarity
from imaging.study import View
from imaging.thoracic_measurements import cardiothoracic_threshold

RATIO_ERROR: Final = 0.012
"""Standard deviation of the ratio's error on the segmenter's outlines (docs/measurements.md)."""
INDIRECT_RATIO_ERROR: Final = 0.037
"""The same where the heart's borders had to be read off the lungs."""


def ratio_error(*, indirect: bool) -> float:
    """The standard error of a ratio."""
    return INDIRECT_RATIO_ERROR if indirect else RATIO_ERROR


def cardiomegaly_probability(ratio: float, view: View, error: float) -> float:
    """Probability that the true ratio is above the view's limit, its error being normal.

    This is cardiomegaly by the definition of the ratio, not by a reader's judgement.
    """
    distance = ratio - cardiothoracic_threshold(view)
    return 0.5 * (1.0 + math.erf(distance / (error * math.sqrt(2.0))))


def cardiomegaly_polarity(ratio: float, view: View, error: float = RATIO_ERROR) -> Polarity | None:
    """Above the view's limit by more than the error, below it by more, or neither (`None`)."""
    distance = ratio - cardiothoracic_threshold(view)
    if abs(distance) <= error:
        return None
    return Polarity.PRESENT if distance > 0 else Polarity.ABSENT
