"""What is fitted after training: calibration, operating points and conformal sets."""

from __future__ import annotations

from collections.abc import Collection

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
    logits: NDArray[np.float64],
    arrays: FindingArrays,
    rows: NDArray[np.int64],
    sources: Collection[str],
) -> dict[Finding, FindingConfig]:
    """Fit the fourteen findings on the rows of ``sources``, tuberculosis on those of its own sets.

    ``logits`` is ``(rows, targets)`` of the images ``rows`` of ``arrays``, all of the validation
    split. A finding that these sources never label is left out, and so is tuberculosis where no
    set with it was given.

    Raises:
        StudyError: a finding that is labelled has no case, or only cases.
    """
    labels, known = arrays.labels[rows], arrays.known[rows]
    own = np.array([arrays.sources[row] in sources for row in rows])
    columns = [c for c in range(len(FINDINGS)) if known[own, c].any()]
    for column in columns:
        present = labels[own & known[:, column], column]
        if not present.any() or present.all():
            raise StudyError(
                f"the validation rows hold no image with or none without {FINDINGS[column]}, so "
                "it cannot be calibrated: give a larger validation split"
            )
    scales = fit_platt(logits[own][:, columns], labels[own][:, columns], known[own][:, columns])
    fitted = {}
    for column, scale in zip(columns, scales, strict=True):
        judged = own & known[:, column]
        finding = Finding(FINDINGS[column])
        fitted[finding] = _fit(scale, logits[judged, column], labels[judged, column])
    column = TARGETS.index(TUBERCULOSIS)
    judged = known[:, column]
    if len(set(labels[judged, column])) == 2:
        values, truth = logits[judged, column], labels[judged, column]
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
    logits: NDArray[np.float64],
    arrays: FindingArrays,
    rows: NDArray[np.int64],
    sources: Collection[str],
) -> dict[str, float]:
    """Area under the curve of each target: on ``sources``; tuberculosis on each of its sets."""
    labels, known = arrays.labels[rows], arrays.known[rows]
    names = np.array([arrays.sources[row] for row in rows])
    figures = {}
    for column, target in enumerate(TARGETS):
        asked = known[:, column]
        groups = (
            {target: np.isin(names, list(sources))}
            if target in FINDINGS
            else {f"{target}_{name}": names == name for name in np.unique(names[asked])}
        )
        for name, group in groups.items():
            area = area_under_curve(logits[group & asked, column], labels[group & asked, column])
            if not np.isnan(area):
                figures[str(name)] = area
    return figures
