"""Verification finds every kind of departure from the ledger, and only departures."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from findings.claims import Claim, Measurement
from findings.errors import EvidenceRuleError
from findings.regions import Region
from findings.vocabulary import (
    Certainty,
    Change,
    Finding,
    Language,
    Polarity,
    Severity,
    Side,
)
from reporting.context import ReportContext
from reporting.draft import Section, SectionName, Sentence
from reporting.ledger import Ledger, LedgerEntry
from reporting.phraser import phrase_report
from reporting.read_back import DifferenceType, compare
from reporting.verify import verify, verify_sentence

EFFUSION = Claim(finding=Finding.PLEURAL_EFFUSION, side=Side.LEFT, severity=Severity.MILD)
NODULE = Claim(
    finding=Finding.NODULE,
    region=Region.LEFT_UPPER_LOBE,
    measurement=Measurement(name="diameter", value=12.4, unit="mm"),
)
NO_PNEUMOTHORAX = Claim(finding=Finding.PNEUMOTHORAX, polarity=Polarity.ABSENT)
D = DifferenceType


def kinds(text: str, *claims: Claim, has_prior: bool = True, language: str = "en") -> set[D]:
    found = compare(text, claims, Language(language), has_prior=has_prior)
    return {difference.type for difference in found}


@pytest.mark.parametrize(
    ("text", "claims", "expected"),
    [
        ("Small left pleural effusion.", (EFFUSION,), set()),
        ("There is a small pleural effusion on the left.", (EFFUSION,), set()),
        ("Small left pleural effusion and cardiomegaly.", (EFFUSION,), {D.ADDED}),
        ("The film is well exposed.", (EFFUSION,), {D.DROPPED}),
        ("No left pleural effusion.", (EFFUSION,), {D.FLIPPED}),
        ("Small left pleural effusion and no pleural effusion.", (EFFUSION,), {D.FLIPPED}),
        ("There is a pneumothorax.", (NO_PNEUMOTHORAX,), {D.FLIPPED}),
        ("Small right pleural effusion.", (EFFUSION,), {D.SIDE}),
        ("Small bilateral pleural effusions.", (EFFUSION,), {D.SIDE}),
        ("Small pleural effusion.", (EFFUSION,), {D.SIDE}),
        ("Large left pleural effusion.", (EFFUSION,), {D.SEVERITY}),
        ("Left pleural effusion.", (EFFUSION,), {D.SEVERITY}),
        ("Possible small left pleural effusion.", (EFFUSION,), {D.CERTAINTY}),
        ("Small left pleural effusion, unchanged.", (EFFUSION,), {D.CHANGE}),
        ("12 mm nodule in the left upper lobe.", (NODULE,), set()),
        ("1.2 cm nodule in the left upper lobe.", (NODULE,), {D.NUMBER}),
        ("18 mm nodule in the left upper lobe.", (NODULE,), {D.NUMBER}),
        ("Nodule in the left upper lobe.", (NODULE,), {D.NUMBER}),
        ("12 mm nodule in the left lower lobe.", (NODULE,), {D.PLACE}),
        ("12 mm nodule in the right upper lobe.", (NODULE,), {D.PLACE, D.SIDE}),
    ],
)
def test_english_departures(text: str, claims: tuple[Claim, ...], expected: set[D]) -> None:
    assert kinds(text, *claims) == expected


@pytest.mark.parametrize(
    ("text", "claims", "expected"),
    [
        ("Derrame pleural izquierdo leve.", (EFFUSION,), set()),
        ("Derrame pleural derecho leve.", (EFFUSION,), {D.SIDE}),
        ("No se observa derrame pleural izquierdo.", (EFFUSION,), {D.FLIPPED}),
        ("Derrame pleural izquierdo leve y cardiomegalia.", (EFFUSION,), {D.ADDED}),
        ("Probable derrame pleural izquierdo leve.", (EFFUSION,), {D.CERTAINTY}),
        ("Neumotórax.", (NO_PNEUMOTHORAX,), {D.FLIPPED}),
        ("Nódulo en el lóbulo superior izquierdo, de 12 mm.", (NODULE,), set()),
        ("Nódulo en el lóbulo superior izquierdo, de 21 mm.", (NODULE,), {D.NUMBER}),
    ],
)
def test_spanish_departures(text: str, claims: tuple[Claim, ...], expected: set[D]) -> None:
    assert kinds(text, *claims, language="es") == expected


def test_change_needs_a_prior() -> None:
    claim = EFFUSION.model_copy(update={"change": Change.WORSE})
    said = "Small left pleural effusion, increased since the prior study."
    assert kinds(said, claim) == set()
    assert kinds(said, claim, has_prior=False) == {D.CHANGE_WITHOUT_PRIOR}
    assert kinds(said, EFFUSION, has_prior=False) == {D.CHANGE_WITHOUT_PRIOR}
    assert kinds(said, EFFUSION) == {D.CHANGE}


def test_numbers_from_nowhere_are_found_even_where_no_claim_holds_them() -> None:
    assert kinds("No pneumothorax in all 3 zones.", NO_PNEUMOTHORAX) == {D.NUMBER}
    ratio = Measurement(name="cardiothoracic_ratio", value=0.463, unit="1")
    heart = Claim(finding=Finding.CARDIOMEGALY, polarity=Polarity.ABSENT, measurement=ratio)
    assert kinds("Heart size is normal (cardiothoracic ratio 0.46).", heart) == set()
    assert kinds("Heart size is normal (cardiothoracic ratio 0.44).", heart) == {D.NUMBER}
    assert kinds("Heart size is normal.", heart) == {D.NUMBER}


def test_kind_of_a_finding_says_the_finding_and_its_denial_denies_the_kind() -> None:
    opacity = Claim(finding=Finding.LUNG_OPACITY, side=Side.RIGHT)
    consolidation = Claim(finding=Finding.CONSOLIDATION, region=Region.RIGHT_LOWER_ZONE)
    said = "Consolidation in the right lower zone."
    assert kinds(said, consolidation, opacity) == set()
    assert kinds(said, opacity) == {D.ADDED}  # a kind of it is more than was to be said
    assert D.DROPPED in kinds("Opacity in the right lower zone.", consolidation)
    denied = {"polarity": Polarity.ABSENT, "side": None, "region": None}
    both = [opacity.model_copy(update=denied), consolidation.model_copy(update=denied)]
    assert kinds("The lungs are clear.", *both) == set()
    assert D.DROPPED in kinds("No consolidation.", *both)
    assert kinds("The lungs are clear.", both[1]) == {D.ADDED}


def test_left_and_right_is_bilateral() -> None:
    left = Claim(finding=Finding.PLEURAL_EFFUSION, side=Side.LEFT)
    right = Claim(finding=Finding.PLEURAL_EFFUSION, side=Side.RIGHT)
    assert kinds("Bilateral pleural effusions.", left, right) == set()
    assert kinds("Left pleural effusion.", left, right) == {D.SIDE}


def test_whole_report_verifies_and_tampering_shows(rich_ledger: Ledger) -> None:
    sections = phrase_report(rich_ledger, ReportContext(has_prior=True))
    outcome = verify(sections, rich_ledger.entries, True, Language.ENGLISH)
    assert outcome.ok, [c for c in outcome.checks if c.differences]
    findings = next(s for s in sections if s.name is SectionName.FINDINGS)
    for index, sentence in enumerate(findings.sentences):
        if not sentence.claims or sentence.claims[0].side is not Side.LEFT:
            continue
        wrong = sentence.model_copy(update={"text": sentence.text.replace("left", "right")})
        changed = [*findings.sentences[:index], wrong, *findings.sentences[index + 1 :]]
        outcome = verify(
            [Section(name=SectionName.FINDINGS, sentences=tuple(changed))],
            rich_ledger.entries,
            True,
            Language.ENGLISH,
        )
        assert outcome.faulty == (sentence.id,)
        assert D.SIDE in {d.type for d in outcome.of(sentence.id).differences}


def test_positive_left_out_is_missing(rich_ledger: Ledger) -> None:
    outcome = verify([], rich_ledger.entries, True, Language.ENGLISH)
    assert set(outcome.missing) == {"L1", "L3", "L4", "L5", "L6", "L7", "L10", "L11", "L14"}
    assert not outcome.ok


def test_claims_beyond_the_ledger_are_found(entry: Callable[..., LedgerEntry]) -> None:
    own = entry(1, Finding.PLEURAL_EFFUSION, side=Side.LEFT)
    sentence = Sentence(
        id="S1",
        text="Right pleural effusion.",
        claims=(Claim(finding=Finding.PLEURAL_EFFUSION, side=Side.RIGHT),),
        evidence=("E1",),
        entries=("L1",),
    )
    check = verify_sentence(sentence, [own], False, Language.ENGLISH)
    assert [d.type for d in check.differences] == [D.ADDED]


@pytest.mark.parametrize("claims", [(EFFUSION,), ()])
def test_positive_without_evidence_breaks_the_rule(claims: tuple[Claim, ...]) -> None:
    sentence = Sentence(id="S9", text="Small left pleural effusion.", claims=claims)
    section = Section(name=SectionName.FINDINGS, sentences=(sentence,))
    outcome = verify([section], [], False, Language.ENGLISH)
    assert outcome.unsupported == ("S9",)
    with pytest.raises(EvidenceRuleError, match="S9"):
        outcome.require_evidence()


def test_denials_and_indications_need_no_evidence() -> None:
    sections = [
        Section(
            name=SectionName.INDICATION,
            sentences=(Sentence(id="S1", text="“Pneumonia in 2019?”"),),
        ),
        Section(
            name=SectionName.FINDINGS,
            sentences=(Sentence(id="S2", text="No pneumothorax.", claims=(NO_PNEUMOTHORAX,)),),
        ),
    ]
    outcome = verify(sections, [], False, Language.ENGLISH)
    assert outcome.unsupported == ()
    outcome.require_evidence()


def test_probable_is_not_possible() -> None:
    claim = Claim(finding=Finding.PNEUMONIA, certainty=Certainty.PROBABLE)
    assert kinds("Probable pneumonia.", claim) == set()
    assert kinds("Possible pneumonia.", claim) == {D.CERTAINTY}
