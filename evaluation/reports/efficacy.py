"""Clinical efficacy: precision, recall and F1 of the findings that reports affirm.

The papers read reports with CheXbert; here this project's labeler does (docs/labeler.md), so
figures come near theirs and are not theirs. `evaluation.reports.field_metrics` gives CheXbert's.
Whatever is affirmed with any certainty counts as called.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from evaluation.bootstrap import Estimate, estimate
from evaluation.reports.pairs import ReferenceReport, ReportPair, affirmed
from findings.claims import Claim, Frozen
from findings.vocabulary import Finding
from models.clala.lesions import LESIONS as LESIONS

CHEXPERT: Final = (
    Finding.NO_FINDING,
    Finding.ENLARGED_CARDIOMEDIASTINUM,
    Finding.CARDIOMEGALY,
    Finding.LUNG_OPACITY,
    Finding.LUNG_LESION,
    Finding.EDEMA,
    Finding.CONSOLIDATION,
    Finding.PNEUMONIA,
    Finding.ATELECTASIS,
    Finding.PNEUMOTHORAX,
    Finding.PLEURAL_EFFUSION,
    Finding.PLEURAL_OTHER,
    Finding.FRACTURE,
    Finding.SUPPORT_DEVICE,
)
"""The 14 of CheXpert (Irvin et al., AAAI 2019). "No finding" is affirmed where none of the other
ones is, support devices apart."""

FIVE: Final = (
    Finding.ATELECTASIS,
    Finding.CARDIOMEGALY,
    Finding.CONSOLIDATION,
    Finding.EDEMA,
    Finding.PLEURAL_EFFUSION,
)
"""The five that CheXpert is judged on."""

Calls = NDArray[np.bool_]


class EfficacyScore(Frozen):
    """One set of findings over all reports; columns that the source never judges are left out."""

    findings: int
    micro_precision: Estimate
    micro_recall: Estimate
    micro_f1: Estimate
    macro_precision: Estimate
    macro_recall: Estimate
    macro_f1: Estimate


class LesionRow(Frozen):
    """One lesion: reports and references that affirm it, and how they agree."""

    finding: Finding
    positives: int
    called: int
    precision: float | None
    recall: float | None
    f1: float | None


def efficacy(pairs: Sequence[ReportPair], findings: Sequence[Finding]) -> EfficacyScore:
    """Precision, recall and F1 over these findings, micro and macro.

    Macro figures are means over the findings that the references affirm at all; a finding that
    is never called has precision 0.
    """
    columns = _judged(pairs, findings)
    called, truth = _calls(pairs, columns)
    patients = [pair.reference.patient for pair in pairs]

    def figure(kind: int, macro: bool) -> Estimate:
        return estimate(lambda cases: _figures(called[cases], truth[cases], macro)[kind], patients)

    return EfficacyScore(
        findings=len(columns),
        micro_precision=figure(0, False),
        micro_recall=figure(1, False),
        micro_f1=figure(2, False),
        macro_precision=figure(0, True),
        macro_recall=figure(1, True),
        macro_f1=figure(2, True),
    )


def lesion_table(pairs: Sequence[ReportPair]) -> tuple[LesionRow, ...]:
    """CLALA-Net's lesion table: the 14 lesions one by one, those that the source judges."""
    columns = _judged(pairs, LESIONS)
    called, truth = _calls(pairs, columns)
    rows = []
    for column, finding in enumerate(columns):
        own, true = called[:, column], truth[:, column]
        hits, calls, positives = int((own & true).sum()), int(own.sum()), int(true.sum())
        rows.append(
            LesionRow(
                finding=finding,
                positives=positives,
                called=calls,
                precision=hits / calls if calls else None,
                recall=hits / positives if positives else None,
                f1=2 * hits / (calls + positives) if calls + positives else None,
            )
        )
    return tuple(rows)


def _judged(pairs: Sequence[ReportPair], findings: Sequence[Finding]) -> list[Finding]:
    sources = {pair.reference.judged: pair.reference for pair in pairs}
    return [f for f in findings if any(_judges(source, f) for source in sources.values())]


def _judges(reference: ReferenceReport, finding: Finding) -> bool:
    return finding is Finding.NO_FINDING or reference.judges(finding)


def _calls(pairs: Sequence[ReportPair], findings: Sequence[Finding]) -> tuple[Calls, Calls]:
    called = np.array([_row(pair.claims, findings) for pair in pairs], dtype=bool)
    truth = np.array([_row(pair.reference.claims, findings) for pair in pairs], dtype=bool)
    shape = (len(pairs), len(findings))
    return called.reshape(shape), truth.reshape(shape)


def _row(claims: Sequence[Claim], findings: Sequence[Finding]) -> list[bool]:
    return [
        not any(affirmed(claims, other) for other in CHEXPERT[1:-1])
        if finding is Finding.NO_FINDING
        else affirmed(claims, finding)
        for finding in findings
    ]


def _figures(called: Calls, truth: Calls, macro: bool) -> tuple[float, float, float]:
    """Precision, recall and F1; NaN where they have no sense."""
    if not macro:
        called, truth = called.reshape(-1, 1), truth.reshape(-1, 1)
    hits = (called & truth).sum(axis=0).astype(float)
    calls, positives = called.sum(axis=0), truth.sum(axis=0)
    if not macro and calls[0] + positives[0] == 0:
        return float("nan"), float("nan"), float("nan")
    occurring = positives > 0 if macro else np.array([True])
    if not occurring.any():
        return float("nan"), float("nan"), float("nan")
    with np.errstate(divide="ignore", invalid="ignore"):
        precision = np.where(calls > 0, hits / calls, 0.0)[occurring]
        recall = np.where(positives > 0, hits / positives, 0.0)[occurring]
        f1 = np.where(calls + positives > 0, 2 * hits / (calls + positives), 0.0)[occurring]
    return float(precision.mean()), float(recall.mean()), float(f1.mean())
