"""A language model's lesion labels beside the labeler's and people's tags."""

from __future__ import annotations

from pathlib import Path

import pytest
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage

from agents.judging import Judge
from agents.label_extraction import Lesion, LesionLabel, LesionLabels, Location, Status
from evaluation import label_extraction
from evaluation.label_extraction import agreement, evaluate_extraction
from evaluation.report_corpora import Example, Part, part_of
from findings.errors import BackendError
from findings.vocabulary import Finding, Language

HELD_OUT = [str(n) for n in range(40) if part_of(str(n)) is Part.HELD_OUT]


def example(patient: str, text: str, *findings: Finding) -> Example:
    return Example(patient, text, Language.ENGLISH, frozenset(findings), {}, ())


def labels(*positive: tuple[Lesion, Location]) -> LesionLabels:
    return LesionLabels(
        labels=tuple(
            LesionLabel(lesion=lesion, reason="r", status=Status.POSITIVE, location=location)
            for lesion, location in positive
        )
    )


def test_each_lesion_is_counted_by_hand() -> None:
    effusion, mass = Lesion.PLEURAL_EFFUSION, Lesion.MASS
    read = [
        (
            example("1", "Left pleural effusion.", Finding.PLEURAL_EFFUSION),
            labels((effusion, Location.LEFT)),
        ),
        (
            example("2", "Right pleural effusion.", Finding.PLEURAL_EFFUSION),
            labels((effusion, Location.LEFT), (mass, Location.RIGHT)),
        ),
        (example("3", "Clear lungs.", Finding.PLEURAL_EFFUSION), labels()),
    ]
    rows = {row.lesion: row for row in agreement(read)}
    own = rows[effusion]
    assert (own.tagged, own.labeler, own.model, own.both, own.same_side) == (3, 2, 2, 2, 1)
    assert own.labeler_f1 == own.model_f1 == pytest.approx(0.8)
    assert own.agreement == 1.0
    assert (rows[mass].model, rows[mass].model_f1, rows[mass].agreement) == (1, 0.0, 0.0)
    assert rows[Lesion.HERNIA].agreement is None and rows[Lesion.HERNIA].labeler_f1 is None


def test_held_out_reports_are_labelled(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    reports = [example(patient, "Left pleural effusion.") for patient in HELD_OUT[:3]]
    others = [example(str(n), "x") for n in range(40) if str(n) not in HELD_OUT]
    monkeypatch.setattr(label_extraction, "openi_examples", lambda source: [*others, *reports])
    good = labels((Lesion.PLEURAL_EFFUSION, Location.LEFT)).model_dump_json()
    answers = [AIMessage(own) for own in (good, "no JSON", good)]
    judge = Judge(GenericFakeChatModel(messages=iter(answers)), "a model", 5.0)
    found = evaluate_extraction(tmp_path, judge)
    assert (found.reports, found.unanswered) == (2, 1)
    assert "| pleural effusion | 0 | 2 | 2 | 0.000 | 0.000 | 1.000 | 2 of 2 |" in found.markdown()
    silent = Judge(GenericFakeChatModel(messages=iter([AIMessage("no")])), "a model", 5.0)
    with pytest.raises(BackendError):
        evaluate_extraction(tmp_path, silent, most=1)
