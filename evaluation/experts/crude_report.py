"""The crude-report generator: what its sentences claim, against image labels.

Label-based clinical efficacy (Chen et al., 2021, section 3.2, with this project's labeler in place
of CheXpert's): precision, recall and F1 of the findings affirmed. The labels are the NIH ones.
Beside it stand the constant normal report, which generators collapse to, and the classifier at its
own thresholds, which shows what the words add to it.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from evaluation.bootstrap import Estimate, estimate
from evaluation.experts.classifier import by_finding, films_of
from evaluation.experts.readings import Film, Readings, Which, study_of, wanted
from findings.catalogue import is_a
from findings.claims import Frozen
from findings.errors import ExpertError
from findings.evidence import CrudeSentence, Evidence
from findings.vocabulary import Finding
from models.data.finding_sources import NIH_COLUMNS, read_nih
from tools.contract import ExpertContext, Role

FINDINGS = tuple(Finding(name) for name in NIH_COLUMNS)
_TIMED = 8
_NORMAL = "constant normal report"

Calls = NDArray[np.bool_]
"""Findings called, ``(films, findings)``."""


class EfficacyRow(Frozen):
    """One way to call findings, over all findings and films."""

    caller: str
    precision: float | None = Field(description="micro: over all calls; None without any")
    recall: float | None
    micro_f1: Estimate
    macro_f1: Estimate = Field(description="mean over the findings that occur")
    exact: Estimate = Field(description="share of films with every finding right")


class FindingEfficacy(Frozen):
    """One finding in the generated reports."""

    finding: Finding
    positives: int
    called: int
    precision: float | None
    recall: float | None
    f1: float | None
    classifier_f1: float | None = Field(description="at the classifier's balanced threshold")


class CrudeReportScore(Frozen):
    """The generated reports of the NIH films."""

    version: str
    films: int
    patients: int
    rows: tuple[EfficacyRow, ...]
    findings: tuple[FindingEfficacy, ...]
    normal_share: float = Field(description="reports that affirm no finding at all")
    commonest_share: float = Field(description="films that got the commonest report, word by word")
    distinct_reports: int
    distinct_sentences: int
    median_sentences: float
    repeats_classifier: float | None = Field(
        description="share of the calls that the classifier makes at its balanced threshold too"
    )
    median_seconds: float | None

    def markdown(self) -> list[str]:
        """The callers side by side, the reports' variety, and every finding."""
        lines = [
            "| who calls | precision | recall | micro F1 (95 %) | macro F1 (95 %) | all 14 right |",
            "|---|---|---|---|---|---|",
        ]
        lines += [
            f"| {row.caller} | {_shown(row.precision)} | {_shown(row.recall)} "
            f"| {row.micro_f1.shown()} | {row.macro_f1.shown()} | {row.exact.shown()} |"
            for row in self.rows
        ]
        seconds = "" if self.median_seconds is None else f" {self.median_seconds:.2f} s a report."
        lines += [
            "",
            f"{self.films} films of {self.patients} patients, {self.distinct_reports} different "
            f"reports of {self.distinct_sentences} different sentences (median "
            f"{self.median_sentences:g} a report); {self.normal_share:.0%} affirm nothing; the "
            f"commonest report goes to {self.commonest_share:.0%} of the films.{seconds}",
        ]
        if self.repeats_classifier is not None:
            lines.append(
                f"The classifier makes {self.repeats_classifier:.0%} of the calls too, at its "
                "balanced thresholds."
            )
        lines += [
            "",
            "| finding | labelled | called | precision | recall | F1 | classifier's F1, balanced |",
            "|---|---|---|---|---|---|---|",
        ]
        lines += [
            f"| {item.finding} | {item.positives} | {item.called} | {_shown(item.precision)} "
            f"| {_shown(item.recall)} | {_shown(item.f1)} | {_shown(item.classifier_f1)} |"
            for item in self.findings
        ]
        return lines


def evaluate_crude_report(data: Path, split: Which, readings: Readings) -> CrudeReportScore | None:
    """Read the generated reports of the NIH films; None without films or generator."""
    records = [record for record in read_nih(data) if wanted(record.split, split)]
    card = readings.card(Role.CRUDE_REPORT)
    if not records or card is None:
        return None
    films = films_of(records)
    roles = [r for r in (Role.CRUDE_REPORT, Role.CLASSIFIER) if readings.installed(r)]
    readings.prepare(roles, films)
    reports = [_sentences(readings.of(Role.CRUDE_REPORT, film)) for film in films]
    truth = np.array([[bool(record.labels[f]) for f in FINDINGS] for record in records])
    patients = [record.patient for record in records]
    called = np.array([affirmed(report) for report in reports])
    callers = {"generated report": called, _NORMAL: np.zeros_like(truth)}
    balanced = None
    if readings.installed(Role.CLASSIFIER):
        verdicts = [readings.of(Role.CLASSIFIER, film) for film in films]
        balanced = np.array([_over_threshold(own, confident=False) for own in verdicts])
        callers["classifier, balanced thresholds"] = balanced
        callers["classifier, confident thresholds"] = np.array(
            [_over_threshold(own, confident=True) for own in verdicts]
        )
    texts = Counter(" ".join(item.text for item in report) for report in reports)
    return CrudeReportScore(
        version=card.version,
        films=len(films),
        patients=len(set(patients)),
        rows=tuple(_row(name, own, truth, patients) for name, own in callers.items()),
        findings=tuple(
            _finding(column, called, truth, balanced) for column in range(len(FINDINGS))
        ),
        normal_share=float(np.mean([not any(_affirms(i) for i in report) for report in reports])),
        commonest_share=texts.most_common(1)[0][1] / len(films),
        distinct_reports=len(texts),
        distinct_sentences=len({item.text for report in reports for item in report}),
        median_sentences=float(np.median([len(report) for report in reports])),
        repeats_classifier=(
            None if balanced is None or not called.any() else float(balanced[called].mean())
        ),
        median_seconds=_median_seconds(readings, films),
    )


def affirmed(report: Sequence[CrudeSentence]) -> list[bool]:
    """Which of the fourteen findings the report affirms, itself or by a kind of it."""
    present = {claim.finding for item in report for claim in item.claims if claim.present}
    return [any(is_a(own, finding) for own in present) for finding in FINDINGS]


def micro_f1(called: Calls, truth: Calls) -> float:
    """F1 over all calls; NaN where nothing is there to call and nothing was called."""
    total = int(called.sum() + truth.sum())
    return float("nan") if total == 0 else 2 * int((called & truth).sum()) / total


def macro_f1(called: Calls, truth: Calls) -> float:
    """Mean F1 of the findings that occur; NaN where none does."""
    occurring = [c for c in range(truth.shape[1]) if truth[:, c].any()]
    if not occurring:
        return float("nan")
    return float(np.mean([micro_f1(called[:, c], truth[:, c]) for c in occurring]))


def _row(name: str, called: Calls, truth: Calls, patients: Sequence[str]) -> EfficacyRow:
    hits = int((called & truth).sum())
    exact = (called == truth).all(axis=1)
    return EfficacyRow(
        caller=name,
        precision=_share(hits, int(called.sum())),
        recall=_share(hits, int(truth.sum())),
        micro_f1=estimate(lambda cases: micro_f1(called[cases], truth[cases]), patients),
        macro_f1=estimate(lambda cases: macro_f1(called[cases], truth[cases]), patients),
        exact=estimate(lambda cases: float(exact[cases].mean()), patients),
    )


def _finding(column: int, called: Calls, truth: Calls, balanced: Calls | None) -> FindingEfficacy:
    own, true = called[:, column], truth[:, column]
    hits = int((own & true).sum())
    return FindingEfficacy(
        finding=FINDINGS[column],
        positives=int(true.sum()),
        called=int(own.sum()),
        precision=_share(hits, int(own.sum())),
        recall=_share(hits, int(true.sum())),
        f1=_number(micro_f1(own, true)),
        classifier_f1=None if balanced is None else _number(micro_f1(balanced[:, column], true)),
    )


def _sentences(evidence: Sequence[Evidence]) -> tuple[CrudeSentence, ...]:
    return tuple(item for item in evidence if isinstance(item, CrudeSentence))


def _affirms(item: CrudeSentence) -> bool:
    return any(claim.present and claim.finding is not Finding.NO_FINDING for claim in item.claims)


def _over_threshold(evidence: Sequence[Evidence], confident: bool) -> list[bool]:
    verdicts = by_finding(evidence)
    called = []
    for finding in FINDINGS:
        own = verdicts.get(finding)
        threshold = 1.0
        if own is not None:
            threshold = own.confident_threshold if confident else own.threshold
        called.append(own is not None and threshold < 1.0 and own.probability >= threshold)
    return called


def _median_seconds(readings: Readings, films: Sequence[Film]) -> float | None:
    """Of single reports, the film's decoding not counted."""
    expert = readings.experts[Role.CRUDE_REPORT]
    seconds = []
    for film in films[:: max(1, len(films) // _TIMED)][:_TIMED]:
        study = study_of(film)
        started = time.perf_counter()
        try:
            expert.run(study, ExpertContext())
        except ExpertError:
            continue
        seconds.append(time.perf_counter() - started)
    return float(np.median(seconds)) if seconds else None


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _number(value: float) -> float | None:
    return None if np.isnan(value) else value


def _shown(value: float | None) -> str:
    return "n/a" if value is None else f"{value:.3f}"
