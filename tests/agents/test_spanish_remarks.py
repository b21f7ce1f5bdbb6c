"""In Spanish the read-back's remarks are Spanish, down to why the ledger decided as it did."""

from __future__ import annotations

import itertools
import tomllib
from importlib import resources
from pathlib import Path

from agents.conversation.graph import ACTS
from agents.conversation.router import route
from agents.editing import Act, PersonAct, open_book
from agents.reconciliation.decisions import OperatingPoints, decide
from agents.reconciliation.fusion import default_fusion
from agents.reconciliation.voices import Stance, Voice
from findings.labeler import detect_language
from findings.vocabulary import Finding, Language
from reporting.draft import Draft
from reporting.existing_report import read_report
from reporting.files import read_draft
from reporting.remarks import reason_in
from reporting.review import review_report

DRAFTS = Path(__file__).parents[2] / "docs" / "samples" / "drafts"


def drafts() -> list[Draft]:
    return [read_draft(file) for file in sorted(DRAFTS.glob("*/draft.json"))]


def test_both_languages_say_the_same_remarks() -> None:
    tables = [
        tomllib.loads(
            resources.files("reporting").joinpath("data", f"remarks_{one.value}.toml").read_text()
        )
        for one in Language
    ]
    for table in ("review", "heads"):
        assert tables[0][table].keys() == tables[1][table].keys()


def test_every_reason_of_the_ledger_is_known_in_spanish() -> None:
    points, stated = OperatingPoints(0.1, 0.3, 0.6), default_fusion().stated
    reasons = {entry.reason for draft in drafts() for entry in draft.ledger}
    for probability, stance, weight in itertools.product(
        [n / 100 for n in range(101)], Stance, (0.0, 1.0)
    ):
        heard = Voice(Finding.EDEMA, "E1", "one", "classification", probability, weight, stance)
        reasons.add(decide(probability, [heard], points, stated).reason)
    reasons.add("A kind of it, pneumonia, is stated instead.")
    assert len(reasons) >= 9
    for reason in reasons:
        told = reason_in(Language.SPANISH, reason)
        assert told != reason and detect_language(told) is Language.SPANISH
        assert reason_in(Language.ENGLISH, reason) == reason


def test_a_spanish_report_is_reviewed_in_spanish() -> None:
    text = "Corazón de tamaño normal. Derrame pleural derecho. Índice cardiotorácico de 0,40."
    seen = set()
    for draft in drafts():
        for has_prior in (False, True):
            report = read_report(text, Language.SPANISH)
            for item in review_report(report, draft.ledger, has_prior).items:
                seen.add(item.type)
                assert detect_language(item.reason) is Language.SPANISH, item.reason
    assert len(seen) >= 4


def test_an_edit_asked_for_in_spanish_is_read_back_in_spanish() -> None:
    """Also where the report itself is English."""
    draft = read_draft(DRAFTS / "cardiomegaly" / "draft.json")
    question = route("añade: neumotórax derecho")
    answer = ACTS[question.intent](draft, question)
    assert answer.edit is not None and answer.edit.notes
    assert all(detect_language(note) is Language.SPANISH for note in answer.edit.notes)


def test_a_sentence_written_into_a_translated_report_is_noted_in_its_language() -> None:
    book, draft = open_book(DRAFTS / "cardiomegaly")
    key = next(s.id for s in draft.sentences() if s.claims)
    act = PersonAct(act=Act.REWORD, sentence=key, text="El corazón es de tamaño normal.")
    for note in book.tried(draft, act, has_prior=False, told_in=Language.SPANISH):
        head = note.text.partition(":")[0]
        assert detect_language(head) is Language.SPANISH, note.text
