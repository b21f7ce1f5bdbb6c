"""Whether conformal sets hold the true answer as often as they state."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from findings.claims import Frozen
from findings.vocabulary import Finding, Plausible
from models.conformal import covered, fit_conformal

STATED = 0.9


class ConformalScore(Frozen):
    """Conformal sets of one finding: fitted on half of the patients, judged on the other half.

    Both ways, so every case is judged once by a rule that did not see its patient.
    """

    finding: Finding
    stated: float = Field(description="share of each class whose sets are to hold the truth")
    present: float | None = Field(description="share of cases with the finding that it held for")
    absent: float | None = Field(description="share of cases without the finding")
    decided: float = Field(description="share of sets that hold one answer alone")


def conformal_score(
    finding: Finding,
    probability: NDArray[np.float64],
    truth: NDArray[np.bool_],
    patients: NDArray[np.int64],
    stated: float = STATED,
) -> ConformalScore | None:
    """Cross-fitted coverage; None with fewer than two patients."""
    order = np.random.default_rng(1).permutation(np.unique(patients))
    if len(order) < 2:
        return None
    first = np.isin(patients, order[: len(order) // 2])
    held = np.empty(len(truth), dtype=np.bool_)
    decided = np.empty(len(truth), dtype=np.bool_)
    for half in (first, ~first):
        rule = fit_conformal(probability[~half], truth[~half], stated)
        held[half] = covered(rule, probability[half], truth[half])
        decided[half] = [
            rule.judge(float(p)) in (Plausible.PRESENT, Plausible.ABSENT) for p in probability[half]
        ]
    return ConformalScore(
        finding=finding,
        stated=stated,
        present=float(held[truth].mean()) if truth.any() else None,
        absent=float(held[~truth].mean()) if (~truth).any() else None,
        decided=float(decided.mean()),
    )
