"""In Spanish the read-back's remarks are Spanish, down to why the ledger decided as it did."""

from __future__ import annotations

import itertools
import re
import tomllib
from importlib import resources
from pathlib import Path
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from agents.conversation.graph import ACTS
from agents.conversation.router import route
from agents.editing import Act, PersonAct, open_book
from agents.reconciliation import disagreements
from agents.reconciliation.decisions import OperatingPoints, decide
from agents.reconciliation.fusion import default_fusion
from agents.reconciliation.voices import Stance, Voice
from findings.claims import Measurement
from findings.evidence import PriorFinding
from findings.labeler import detect_language
from findings.regions import Region
from findings.vocabulary import Change, Finding, Language, Polarity, Severity, Side
from reporting.conflicts import conflict_in
from reporting.draft import Draft
from reporting.existing_report import read_report
from reporting.files import read_draft
from reporting.ledger import Decision, Disagreement, DisagreementType
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


def voice(expert: str, stance: Stance = Stance.AFFIRMS, **said: Any) -> Voice:
    """A voice on an effusion."""
    return Voice(Finding.PLEURAL_EFFUSION, "E1", expert, "detection", 0.6, 1.0, stance, **said)


def every_disagreement() -> list[Disagreement]:
    """One for each way in which voices differ and each thing that may settle it."""
    pair = [voice("one"), voice("two", Stance.DENIES)]
    sides = [voice("one", side=Side.LEFT, sees=True), voice("two", side=Side.RIGHT)]
    places = [voice("two", region=Region.LEFT_UPPER_ZONE)]
    graded = [voice("one", severity=Severity.MILD), voice("two", severity=Severity.SEVERE)]
    ratios = [
        voice("one", measurement=Measurement(name="cardiothoracic_ratio", value=0.5, unit="1")),
        voice("two", measurement=Measurement(name="cardiothoracic_ratio", value=0.7, unit="1")),
    ]
    priors = [
        PriorFinding(
            id=f"E{number}",
            expert=expert,
            version="1",
            finding=Finding.PLEURAL_EFFUSION,
            polarity=Polarity.PRESENT,
            change=change,
        )
        for number, (expert, change) in enumerate(
            [("one", Change.WORSE), ("two", Change.BETTER)], start=1
        )
    ]
    found = [disagreements.polarity(pair, decision) for decision in Decision]
    found += [disagreements.side(sides, settled) for settled in (Side.LEFT, None)]
    found += [disagreements.place(places, Region.LEFT_LOWER_ZONE)]
    found += [disagreements.severity(graded, Severity.MILD)]
    found += [disagreements.number(ratios, default_fusion())]
    found += [disagreements.change(priors, settled) for settled in (Change.WORSE, None)]
    assert None not in found
    return [one for one in found if one is not None]


def test_every_disagreement_is_told_in_spanish() -> None:
    for one in every_disagreement():
        detail, settled_by = conflict_in(Language.SPANISH, one)
        assert settled_by != one.settled_by, one
        assert detail != one.detail, one
        assert not re.search(r"\b(says|for|against|left|right|mild|worse)\b", detail), detail
        assert "one" in detail or "two" in detail
        assert conflict_in(Language.ENGLISH, one) == (one.detail, one.settled_by)


def test_what_a_hierarchy_settles_is_told_in_spanish() -> None:
    one = Disagreement(
        type=DisagreementType.POLARITY,
        detail="lung_opacity denied, pneumonia stated",
        settled_by="the hierarchy: pneumonia is a kind of lung_opacity",
    )
    told = conflict_in(Language.SPANISH, one)
    assert told == (
        "opacidad pulmonar: negado; neumonía: afirmado",
        "la jerarquía: neumonía es una clase de opacidad pulmonar",
    )


@given(st.text(max_size=60), st.sampled_from(list(DisagreementType)))
def test_an_unknown_disagreement_stays_as_it_is(text: str, kind: DisagreementType) -> None:
    """A draft may come from a file; whatever it says is text and breaks nothing."""
    assume(" says " not in text and "[" not in text and " for, " not in text)
    one = Disagreement(type=kind, detail=text, settled_by=text)
    assert conflict_in(Language.SPANISH, one) == (text, text)


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
