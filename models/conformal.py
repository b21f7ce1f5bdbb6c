"""Conformal sets: which of "present" and "absent" cannot be ruled out, at a stated coverage.

Split conformal prediction, each class apart (Vovk, Lindsay, Nouretdinov and Gammerman,
"Mondrian confidence machine", 2003): of cases that have the finding, at least the stated share
get a set that holds "present", and likewise "absent", whatever the model is worth; a poor model
only answers "either" more often. It holds for cases drawn as the calibration cases were.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from findings.vocabulary import Plausible


class ConformalRule(BaseModel):
    """Thresholds on the calibrated probability for one finding.

    Too few calibration cases of a class cannot rule it out: its threshold is then at the end.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    coverage: float = Field(gt=0.5, lt=1)
    present_from: float = Field(ge=0, le=1, description="from here on, present is plausible")
    absent_to: float = Field(ge=0, le=1, description="up to here, absent is plausible")
    positives: int = Field(ge=0, description="calibration cases with the finding")
    negatives: int = Field(ge=0)

    def judge(self, probability: float) -> Plausible:
        """The answers that cannot be ruled out at this probability."""
        present, absent = probability >= self.present_from, probability <= self.absent_to
        if present and absent:
            return Plausible.EITHER
        if present:
            return Plausible.PRESENT
        return Plausible.ABSENT if absent else Plausible.NEITHER


def fit_conformal(
    probability: NDArray[np.float64], truth: NDArray[np.bool_], coverage: float = 0.9
) -> ConformalRule:
    """Fit on calibration cases; both arrays have one entry per case."""
    positives, negatives = np.sort(probability[truth]), np.sort(probability[~truth])
    # Of n + 1 exchangeable cases the new one is among the k lowest with probability k / (n + 1).
    # The small number keeps (1 - 0.9) x 20 from being 1.999...
    below = int(np.floor((1 - coverage) * (len(positives) + 1) + 1e-9))
    above = int(np.floor((1 - coverage) * (len(negatives) + 1) + 1e-9))
    return ConformalRule(
        coverage=coverage,
        present_from=float(positives[below - 1]) if below else 0.0,
        absent_to=float(negatives[-above]) if above else 1.0,
        positives=len(positives),
        negatives=len(negatives),
    )


def covered(
    rule: ConformalRule, probability: NDArray[np.float64], truth: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Whether each case's set holds its true answer."""
    held: NDArray[np.bool_] = np.where(
        truth, probability >= rule.present_from, probability <= rule.absent_to
    )
    return held
