"""The finding classifier on radiographs with image labels: ranking, calibration, decisions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from evaluation.bootstrap import Estimate
from evaluation.curves import (
    OperatingMark,
    ReliabilityBin,
    RocCurve,
    operating_mark,
    reliability,
    roc_curve,
)
from evaluation.experts.conformal import ConformalScore, conformal_score
from evaluation.experts.readings import Film, Readings, Which, view_of, wanted
from findings.claims import Frozen
from findings.evidence import Classification, Evidence
from findings.vocabulary import Finding
from models.calibration import fit_platt
from models.data.finding_sources import NIH_COLUMNS, read_nih
from models.data.records import FindingRecord
from models.metrics import (
    area_under_curve,
    bootstrap_interval,
    bootstrap_mean_interval,
    expected_calibration_error,
)
from tools.contract import Role

_LEAST_ODDS = 1e-6


class FindingScore(Frozen):
    """One finding; figures that its cases do not allow are None."""

    finding: Finding
    positives: int
    negatives: int
    auc: float | None
    auc_low: float | None = Field(description="95 % bootstrap interval over patients")
    auc_high: float | None
    calibration_error: float = Field(description="with the shipped calibration")
    cross_fitted_calibration_error: float | None = Field(
        description="calibration refitted on half of the patients, measured on the other, both ways"
    )
    sensitivity: float | None = Field(description="at the shipped balanced operating point")
    specificity: float | None
    marks: tuple[OperatingMark, ...] = Field(
        default=(), description="the shipped operating points on these images"
    )


class ClassifierScore(Frozen):
    """All findings of the classifier on the NIH folder."""

    version: str
    images: int
    patients: int
    mean_auc: float | None
    mean_auc_low: float | None
    mean_auc_high: float | None
    mean_calibration_error: float
    mean_cross_fitted_calibration_error: float | None
    findings: tuple[FindingScore, ...]
    reliability: tuple[ReliabilityBin, ...] = Field(
        default=(), description="all findings together, with the shipped calibration"
    )
    cross_fitted_reliability: tuple[ReliabilityBin, ...] = ()
    curves: tuple[RocCurve, ...] = ()
    conformal: tuple[ConformalScore, ...] = ()

    def markdown(self) -> list[str]:
        """The scores as two tables: ranking and calibration, then operating points."""
        lines = [
            "| finding | positive of | AUC (95 % interval) | calibration error, cross-fitted |",
            "|---|---|---|---|",
        ]
        lines += [
            f"| {f.finding} | {f.positives} of {f.positives + f.negatives} "
            f"| {Estimate(value=f.auc, low=f.auc_low, high=f.auc_high).shown()} "
            f"| {_shown(f.cross_fitted_calibration_error)} |"
            for f in self.findings
        ]
        mean = Estimate(value=self.mean_auc, low=self.mean_auc_low, high=self.mean_auc_high)
        lines += [
            f"| mean | {self.images} images, {self.patients} patients | {mean.shown()} "
            f"| {_shown(self.mean_cross_fitted_calibration_error)} |",
            "",
            "Sensitivity / specificity at the shipped operating points:",
            "",
            "| finding | sensitive | balanced | confident |",
            "|---|---|---|---|",
        ]
        lines += [
            f"| {score.finding} | "
            + " | ".join(_reached(score.marks, name) for name in _POINTS)
            + " |"
            for score in self.findings
        ]
        if self.conformal:
            lines += [
                "",
                f"Conformal sets at a stated coverage of {self.conformal[0].stated:.0%} of each "
                "class, fitted on half of the patients and judged on the other half:",
                "",
                "| finding | held, with the finding | held, without | sets with one answer |",
                "|---|---|---|---|",
            ]
        lines += [
            f"| {s.finding} | {_shown(s.present)} | {_shown(s.absent)} | {s.decided:.2f} |"
            for s in self.conformal
        ]
        return lines

    def draw(self, folder: Path) -> list[Path]:
        """Reliability diagram and ROC curves as pictures in ``folder``."""
        from evaluation.figures import draw_reliability, draw_roc

        return [
            draw_reliability(
                {
                    "as shipped": self.reliability,
                    "calibration cross-fitted": self.cross_fitted_reliability,
                },
                folder / "experts-classifier-reliability.png",
            ),
            draw_roc(self.curves, folder / "experts-classifier-roc.png"),
        ]


_POINTS = ("sensitive", "balanced", "confident")


def evaluate_classifier(data: Path, split: Which, readings: Readings) -> ClassifierScore | None:
    """Judge the NIH images as a draft does; None without such images or without a classifier."""
    records = [record for record in read_nih(data) if wanted(record.split, split)]
    card = readings.card(Role.CLASSIFIER)
    if not records or card is None:
        return None
    films = films_of(records)
    readings.prepare((Role.CLASSIFIER,), films)
    outputs = [by_finding(readings.of(Role.CLASSIFIER, film)) for film in films]
    answered = [index for index, output in enumerate(outputs) if output]
    records, outputs = [records[i] for i in answered], [outputs[i] for i in answered]
    if not records:
        return None
    findings = [f for f in map(Finding, NIH_COLUMNS) if all(f in output for output in outputs)]
    probability = np.array([[output[f].probability for f in findings] for output in outputs])
    truth = np.array([[bool(record.labels[f]) for f in findings] for record in records])
    names, patients = np.unique([record.patient for record in records], return_inverse=True)
    crossed = cross_fitted_probability(_log_odds(probability), truth, patients)
    scores = tuple(
        _finding_score(
            outputs[0][finding],
            probability[:, column],
            None if crossed is None else crossed[:, column],
            truth[:, column],
            patients,
        )
        for column, finding in enumerate(findings)
    )
    measured = [score.auc for score in scores if score.auc is not None]
    low, high = bootstrap_mean_interval(probability, truth, patients)
    crossed_errors = [
        score.cross_fitted_calibration_error
        for score in scores
        if score.cross_fitted_calibration_error is not None
    ]
    curves = (
        roc_curve(score.finding, probability[:, column], truth[:, column], score.marks)
        for column, score in enumerate(scores)
    )
    sets = (
        conformal_score(finding, probability[:, column], truth[:, column], patients)
        for column, finding in enumerate(findings)
        if outputs[0][finding].plausible is not None
    )
    return ClassifierScore(
        version=card.version,
        images=len(records),
        patients=len(names),
        mean_auc=float(np.mean(measured)) if measured else None,
        mean_auc_low=_number(low),
        mean_auc_high=_number(high),
        mean_calibration_error=float(np.mean([score.calibration_error for score in scores])),
        mean_cross_fitted_calibration_error=(
            float(np.mean(crossed_errors)) if crossed_errors else None
        ),
        findings=scores,
        reliability=reliability(probability.ravel(), truth.ravel()),
        cross_fitted_reliability=(
            () if crossed is None else reliability(crossed.ravel(), truth.ravel())
        ),
        curves=tuple(curve for curve in curves if curve is not None),
        conformal=tuple(score for score in sets if score is not None),
    )


def films_of(records: Iterable[FindingRecord]) -> list[Film]:
    """The records' films, with their views."""
    return [Film(record.image, view_of(record.view)) for record in records]


def by_finding(evidence: Sequence[Evidence]) -> dict[Finding, Classification]:
    """The classifications among the evidence."""
    return {item.finding: item for item in evidence if isinstance(item, Classification)}


def cross_fitted_probability(
    logits: NDArray[np.float64], truth: NDArray[np.bool_], patients: NDArray[np.int64]
) -> NDArray[np.float64] | None:
    """Calibrated probabilities, each by a scale that was fitted without the patient's half.

    None with fewer than two patients.
    """
    order = np.random.default_rng(0).permutation(np.unique(patients))
    if len(order) < 2:
        return None
    first = np.isin(patients, order[: len(order) // 2])
    crossed = np.empty_like(logits)
    for half in (first, ~first):
        scales = fit_platt(logits[~half], truth[~half])
        for column, scale in enumerate(scales):
            crossed[half, column] = scale.apply(logits[half, column])
    return crossed


def _finding_score(
    shipped: Classification,
    probability: NDArray[np.float64],
    crossed: NDArray[np.float64] | None,
    truth: NDArray[np.bool_],
    patients: NDArray[np.int64],
) -> FindingScore:
    low, high = bootstrap_interval(probability, truth, patients)
    thresholds = {
        "sensitive": shipped.sensitive_threshold,
        "balanced": shipped.threshold,
        "confident": shipped.confident_threshold,
    }
    marks = [operating_mark(name, at, probability, truth) for name, at in thresholds.items()]
    called = probability >= shipped.threshold
    return FindingScore(
        finding=shipped.finding,
        positives=int(truth.sum()),
        negatives=int((~truth).sum()),
        auc=_number(area_under_curve(probability, truth)),
        auc_low=_number(low),
        auc_high=_number(high),
        calibration_error=expected_calibration_error(probability, truth),
        cross_fitted_calibration_error=(
            None if crossed is None else expected_calibration_error(crossed, truth)
        ),
        sensitivity=float(called[truth].mean()) if truth.any() else None,
        specificity=float((~called[~truth]).mean()) if (~truth).any() else None,
        marks=tuple(mark for mark in marks if mark is not None and mark.threshold < 1.0),
    )


def _log_odds(probability: NDArray[np.float64]) -> NDArray[np.float64]:
    bounded = np.clip(probability, _LEAST_ODDS, 1 - _LEAST_ODDS)
    odds: NDArray[np.float64] = np.log(bounded) - np.log1p(-bounded)
    return odds


def _reached(marks: Sequence[OperatingMark], name: str) -> str:
    for mark in marks:
        if mark.name == name:
            return f"{mark.sensitivity:.2f} / {mark.specificity:.2f}"
    return "none"


def _shown(value: float | None) -> str:
    return "n/a" if value is None else f"{value:.3f}"


def _number(value: float) -> float | None:
    """NaN, which JSON does not know, becomes None."""
    return None if np.isnan(value) else value
