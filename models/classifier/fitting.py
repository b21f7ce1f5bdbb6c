"""What is fitted after training: calibration, operating points and conformal sets."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from findings.errors import StudyError
from findings.vocabulary import Finding
from models.calibration import PlattScale, choose_operating_points, fit_platt
from models.classifier.config import FindingConfig
from models.conformal import fit_conformal
from models.data.finding_cache import FINDINGS, TARGETS, FindingArrays
from models.data.finding_sources import TUBERCULOSIS
from models.metrics import area_under_curve

SCREENED_PREVALENCE = 0.01
"""Share of tuberculosis that its probability is stated for.

In the sets that it is learnt from half of the films show it; a probability fitted there would call
it likely on every second abnormal film of a place where it is rare."""


def fit_findings(
    logits: NDArray[np.float64], arrays: FindingArrays, rows: NDArray[np.int64]
) -> dict[Finding, FindingConfig]:
    """Fit the fourteen findings on NIH's rows, tuberculosis on those of its own sets.

    ``logits`` is ``(rows, targets)`` of the images ``rows`` of ``arrays``, all of the validation
    split. Tuberculosis is left out where no set with it was given.

    Raises:
        StudyError: a finding of the fourteen has no case, or only cases.
    """
    labels, known = arrays.labels[rows], arrays.known[rows]
    nih = np.array([arrays.sources[row] == "nih" for row in rows])
    width = len(FINDINGS)
    for finding, present in zip(FINDINGS, labels[nih, :width].T, strict=True):
        if not present.any() or present.all():
            raise StudyError(
                f"the validation rows hold no image with or none without {finding}, so it cannot "
                "be calibrated: give a larger validation split"
            )
    scales = fit_platt(logits[nih, :width], labels[nih, :width])
    fitted = {
        Finding(finding): _fit(scale, logits[nih, column], labels[nih, column])
        for column, (finding, scale) in enumerate(zip(FINDINGS, scales, strict=True))
    }
    column = TARGETS.index(TUBERCULOSIS)
    asked = known[:, column]
    if len(set(labels[asked, column])) == 2:
        values, truth = logits[asked, column], labels[asked, column]
        [scale] = fit_platt(values[:, None], truth[:, None])
        fitted[Finding.TUBERCULOSIS] = _fit(
            shift_prevalence(scale, float(truth.mean()), SCREENED_PREVALENCE), values, truth
        )
    return fitted


def shift_prevalence(scale: PlattScale, seen: float, assumed: float) -> PlattScale:
    """The scale for a place where the finding has another prevalence than where it was fitted.

    The likelihood ratio stays; the prior odds change (Bayes' rule; Saerens, Latinne and
    Decaestecker, Neural Computation 2002).
    """
    shift = np.log(assumed / (1 - assumed)) - np.log(seen / (1 - seen))
    return PlattScale(slope=scale.slope, intercept=scale.intercept + float(shift))


def _fit(scale: PlattScale, logits: NDArray[np.float64], truth: NDArray[np.bool_]) -> FindingConfig:
    probability = scale.apply(logits)
    return FindingConfig(
        calibration=scale,
        operating_points=choose_operating_points(probability, truth),
        conformal=fit_conformal(probability, truth),
    )


def validation_figures(
    logits: NDArray[np.float64], arrays: FindingArrays, rows: NDArray[np.int64]
) -> dict[str, float]:
    """Area under the curve of each target, over the rows that know it; sources apart for TB."""
    labels, known = arrays.labels[rows], arrays.known[rows]
    sources = np.array([arrays.sources[row] for row in rows])
    figures = {}
    for column, target in enumerate(TARGETS):
        groups = (
            {target: sources == "nih"}
            if target in FINDINGS
            else {
                f"{target}_{source}": sources == source
                for source in np.unique(sources[known[:, column]])
            }
        )
        for name, group in groups.items():
            asked = group & known[:, column]
            area = area_under_curve(logits[asked, column], labels[asked, column])
            if not np.isnan(area):
                figures[name] = area
    return figures
