"""Floors under the labeler's accuracy: hard sentences always, real reports where at hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from evaluation.labeler import (
    OPENI,
    PADCHEST,
    CorpusReport,
    LabelerReport,
    evaluate_corpus,
    reads_exactly,
)
from evaluation.report_corpora import Part, openi_examples, padchest_examples, part_of
from findings.vocabulary import Finding, Language

HARD = Path(__file__).parent / "data" / "negation.jsonl"


def test_hard_negations_are_read_exactly() -> None:
    rows = [json.loads(line) for line in HARD.read_text("utf-8").splitlines()]
    assert len(rows) >= 220
    assert {row["language"] for row in rows} == {"en", "es"}
    wrong = [row for row in rows if not reads_exactly(row["text"], Language(row["language"]), row)]
    assert len(wrong) <= 0.05 * len(rows), wrong


def test_the_hard_set_names_only_findings_of_the_vocabulary() -> None:
    for line in HARD.read_text("utf-8").splitlines():
        row = json.loads(line)
        for key in ("present", "absent", "possible", "free"):
            assert all(Finding(name) for name in row.get(key, []))


def test_reading_exactly_needs_polarity_and_nothing_more() -> None:
    assert reads_exactly("No effusion.", Language.ENGLISH, {"absent": ["pleural_effusion"]})
    assert not reads_exactly("No effusion.", Language.ENGLISH, {"present": ["pleural_effusion"]})
    assert not reads_exactly("Left effusion.", Language.ENGLISH, {})


def test_parts_are_stable_and_disjoint() -> None:
    patients = [f"patient {number}" for number in range(2000)]
    held_out = [patient for patient in patients if part_of(patient) is Part.HELD_OUT]
    assert 0.35 < len(held_out) / len(patients) < 0.45
    assert [part_of(patient) for patient in held_out] == [Part.HELD_OUT] * len(held_out)


def test_openi_reports_are_read_as_their_tags_say(report_corpora: Path) -> None:
    examples = list(openi_examples(report_corpora))
    assert len(examples) == 3860
    for part in Part:
        report = evaluate_corpus(OPENI, part, examples)
        assert report.micro.f1 >= 0.85
        assert report.sides_right >= 0.95 * report.sides_compared
    table = LabelerReport(corpora=(report,), negation=None, reports_per_second=1).markdown()
    assert "| Open-i | held-out |" in table


@pytest.mark.slow
def test_padchest_reports_are_read_as_its_physicians_did(report_corpora: Path) -> None:
    examples = list(padchest_examples(report_corpora))
    reports: list[CorpusReport] = [evaluate_corpus(PADCHEST, part, examples) for part in Part]
    assert [report.reports for report in reports] == [15766, 10647]
    assert all(report.micro.f1 >= 0.90 for report in reports)
    assert all(label.reason for report in reports for label in report.unmapped)
