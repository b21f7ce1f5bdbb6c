"""Whole reports from ledgers as the experts would have given them, split by patient."""

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path

import pytest

from agents.aggregator.prompt import load_prompt, load_report_prompt
from agents.editing.preferences import PreferencePair
from agents.reconciliation import reconcile
from agents.tuning.build import TUNED_PROMPT
from agents.tuning.confusion import drawn_evidence, measured_confusion
from agents.tuning.corpus import part_of, split
from agents.tuning.preferences import EDIT, edit_preferences
from agents.tuning.reports import Reported, Wordings, report_pairs
from findings.claims import Claim
from findings.errors import ReportError
from findings.evidence import Classification, Detection
from findings.vocabulary import Finding, Language, Side
from models.language.pairs import Pair, Part
from reporting.draft import SectionName, Writer
from reporting.ledger import Decision
from retrieval.corpora.report import CorpusReport, patient_key

_EFFUSION = Claim(finding=Finding.PLEURAL_EFFUSION, side=Side.LEFT)


def _report(number: int, text: str, language: Language = Language.ENGLISH) -> CorpusReport:
    key = f"CXR{number}"
    return CorpusReport(
        report_id=f"openi-{key}",
        source="openi",
        language=language,
        text=text,
        display=text,
        patient=patient_key("openi", key),
    )


def test_drawn_experts_err_as_often_as_they_were_measured_to() -> None:
    rate = measured_confusion().findings[Finding.PLEURAL_EFFUSION]
    hits = false = boxes = opposite = sided = 0
    for number in range(400):
        for claims in ((_EFFUSION,), ()):
            for item in drawn_evidence(claims, Language.ENGLISH, random.Random(number)):
                if item.finding is not Finding.PLEURAL_EFFUSION:
                    continue
                if isinstance(item, Classification):
                    called = item.probability >= rate.balanced.threshold
                    hits += called and bool(claims)
                    false += called and not claims
                if isinstance(item, Detection) and claims:
                    boxes += 1
                    sided += item.side is not None
                    opposite += item.side is Side.RIGHT
    assert hits / 400 == pytest.approx(rate.balanced.sensitivity, abs=0.07)
    assert false / 400 == pytest.approx(1 - rate.balanced.specificity, abs=0.07)
    assert boxes / 400 == pytest.approx(0.38 * 1.2, abs=0.1)
    assert 0.03 < opposite / sided < 0.3


def test_drawn_evidence_makes_ledgers_with_misses_and_false_alarms() -> None:
    stated: Counter[bool] = Counter()
    for number in range(60):
        evidence = drawn_evidence((_EFFUSION,), Language.ENGLISH, random.Random(number))
        assert len({item.id for item in evidence}) == len(evidence)
        present = {
            entry.finding
            for entry in reconcile(evidence).entries
            if entry.decision in (Decision.PRESENT, Decision.UNCERTAIN)
        }
        stated[Finding.PLEURAL_EFFUSION in present] += 1
        stated[bool(present - {Finding.PLEURAL_EFFUSION})] += 0
    assert stated[True] > 10
    assert stated[False] > 5


@pytest.mark.parametrize("language", list(Language))
def test_whole_reports_name_only_what_was_asked(language: Language) -> None:
    reported = [
        Reported(_report(n, f"There is a left pleural effusion {n}.", language), (_EFFUSION,))
        for n in range(12)
    ]
    made = list(report_pairs(reported, Part.TRAIN, load_report_prompt(), 0, Wordings(())))
    pairs = [pair for pair in made if isinstance(pair, Pair)]
    assert pairs
    for pair in pairs:
        asked = json.loads(pair.prompt[1].content)
        assert asked["language"] == language.value
        answered = json.loads(pair.answer)
        for section, sentences in answered.items():
            points = [point for point in asked["points"] if point["section"] == section]
            assert {key for s in sentences for key in s["claims"]} == {
                key for point in points for key in point["claims"]
            }


def test_patients_and_texts_are_in_one_part_only() -> None:
    reports = [_report(n, f"Text {n % 40}.") for n in range(120)]
    divided = split(reports)
    texts = [report.text for part in Part for report in divided.reports[part]]
    assert sorted(texts) == sorted({f"Text {n}." for n in range(40)})
    assert divided.repeated == 80
    for part in Part:
        assert all(part_of(report.patient) is part for report in divided.reports[part])
    assert all(divided.reports[part] for part in (Part.TRAIN, Part.HELD_OUT))


def _edit(chosen: str, rejected: str) -> str:
    return (
        PreferencePair(
            study_key="k",
            writer=Writer.EMBEDDED,
            language=Language.ENGLISH,
            section=SectionName.FINDINGS,
            chosen=chosen,
            rejected=rejected,
        ).model_dump_json()
        + "\n"
    )


def test_what_people_changed_becomes_a_preference_where_it_can_be_taught(tmp_path: Path) -> None:
    file = tmp_path / "preferences.jsonl"
    file.write_text(
        _edit("Small left effusion is seen.", "Small left effusion, maybe more.")
        + _edit("", "There is a nodule.")
        + _edit("Stable since the prior exam of May.", "There is a nodule.")
    )
    (kept,) = edit_preferences(file, load_prompt(TUNED_PROMPT))
    assert kept.origin == EDIT
    assert kept.part is Part.TRAIN
    assert json.loads(kept.chosen) == {"text": "Small left effusion is seen."}
    assert json.loads(kept.rejected) == {"text": "Small left effusion, maybe more."}


def test_damaged_edits_are_refused_and_absent_ones_are_none(tmp_path: Path) -> None:
    prompt = load_prompt(TUNED_PROMPT)
    assert list(edit_preferences(tmp_path / "none.jsonl", prompt)) == []
    (tmp_path / "bad.jsonl").write_text("{}\n")
    with pytest.raises(ReportError, match="Line 1"):
        list(edit_preferences(tmp_path / "bad.jsonl", prompt))
