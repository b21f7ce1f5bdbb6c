"""Clinical efficacy of generated reports, on films made by rule."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from evaluation.experts.crude_report import (
    FINDINGS,
    affirmed,
    evaluate_crude_report,
    macro_f1,
    micro_f1,
)
from evaluation.experts.readings import Readings
from findings.claims import Claim
from findings.evidence import CrudeSentence, Evidence
from findings.vocabulary import Finding, Polarity
from imaging.study import Study
from tools.contract import ExpertCard, ExpertContext, Role


class BrightReporter:
    """Writes of a nodule, and of an effusion that is never labelled alone, on bright films."""

    card = ExpertCard(role=Role.CRUDE_REPORT, name="bright", version="1", licence="none")

    def __init__(self, limit: float) -> None:
        self.limit = limit

    def installed(self) -> bool:
        """Always."""
        return True

    def run(self, study: Study, context: ExpertContext) -> tuple[Evidence, ...]:
        """One sentence."""
        bright = float(study.frontal.display.mean()) > self.limit
        polarity = Polarity.PRESENT if bright else Polarity.ABSENT
        return (
            CrudeSentence(
                id="E1",
                expert="bright",
                version="1",
                text="A nodule." if bright else "No nodule.",
                claims=(Claim(finding=Finding.NODULE, polarity=polarity),),
            ),
        )


def readings(limit: float) -> Readings:
    """Only the reporter is installed."""
    return Readings({Role.CRUDE_REPORT: BrightReporter(limit)}, workers=1)


def test_figures_by_hand() -> None:
    truth = np.array([[1, 0], [1, 0], [0, 0], [0, 1]], dtype=bool)
    called = np.array([[1, 1], [0, 0], [1, 0], [0, 0]], dtype=bool)
    assert micro_f1(called, truth) == pytest.approx(2 * 1 / (3 + 3))
    assert macro_f1(called, truth) == pytest.approx((2 * 1 / (2 + 2) + 0) / 2)
    assert np.isnan(micro_f1(called & False, truth & False))
    assert np.isnan(macro_f1(called, truth & False))


def test_a_kind_of_a_finding_counts_as_the_finding() -> None:
    def says(*findings: Finding) -> set[Finding]:
        claims = tuple(Claim(finding=finding) for finding in findings)
        sentence = CrudeSentence(id="E1", expert="x", version="1", text="x", claims=claims)
        return {f for f, own in zip(FINDINGS, affirmed([sentence]), strict=True) if own}

    assert says(Finding.LOBAR_COLLAPSE) == {Finding.ATELECTASIS}
    assert says(Finding.LUNG_OPACITY, Finding.SCOLIOSIS) == set()


def test_the_report_is_scored_beside_the_normal_one(folder: Path) -> None:
    score = evaluate_crude_report(folder, "val", readings(limit=0.49))
    assert score is not None
    generated, normal = score.rows
    # Eight of sixteen films have all fourteen findings; one of them is called on each of them.
    assert generated.precision == 1.0
    assert generated.recall == pytest.approx(1 / 14)
    assert generated.micro_f1.value == pytest.approx(2 * 8 / (8 + 8 * 14))
    assert generated.macro_f1.value == pytest.approx(1 / 14)
    assert (normal.precision, normal.recall, normal.micro_f1.value) == (None, 0.0, 0.0)
    assert generated.exact.value == normal.exact.value == 0.5
    assert (score.normal_share, score.commonest_share, score.distinct_sentences) == (0.5, 0.5, 2)
    assert score.repeats_classifier is None
    text = "\n".join(score.markdown())
    assert "| constant normal report | n/a | 0.000 |" in text
    assert "| nodule | 8 | 8 | 1.000 | 1.000 | 1.000 | n/a |" in text


def test_a_collapsed_generator_is_seen(folder: Path) -> None:
    score = evaluate_crude_report(folder, "val", readings(limit=2.0))
    assert score is not None
    assert (score.normal_share, score.commonest_share, score.distinct_reports) == (1.0, 1.0, 1)
    assert score.rows[0].micro_f1.value == 0.0


def test_nothing_is_scored_without_films_or_generator(tmp_path: Path, folder: Path) -> None:
    assert evaluate_crude_report(tmp_path, "val", readings(0.5)) is None
    assert evaluate_crude_report(folder, "val", Readings({})) is None


def test_cases_are_films(folder: Path) -> None:
    found: Iterator[int] = (
        row.micro_f1.cases
        for score in [evaluate_crude_report(folder, "val", readings(0.49))]
        if score
        for row in score.rows
    )
    assert set(found) == {16}
