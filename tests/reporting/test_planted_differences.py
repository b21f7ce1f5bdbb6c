"""The reader finds every kind of planted difference, whatever the finding and the language.

A sentence is written by the phraser for one claim and read against a claim that differs from it in
one attribute; the difference must be found, and by its own type.
"""

from __future__ import annotations

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from findings.claims import Claim, Measurement
from findings.labeler import label_report
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
from reporting.draft import Origin, Section, SectionName, Sentence
from reporting.ledger import Decision, Ledger, LedgerEntry, Vote
from reporting.phraser import phrase_report
from reporting.places import report_plan
from reporting.read_back import DifferenceType, compare
from reporting.verify import verify, verify_sentence

D = DifferenceType
PERTINENT = {Finding(name) for names in report_plan()["pertinent"].values() for name in names}
LUNG = (Finding.CONSOLIDATION, Finding.NODULE, Finding.MASS, Finding.ATELECTASIS)
PLEURAL = (Finding.PLEURAL_EFFUSION, Finding.PNEUMOTHORAX, Finding.PLEURAL_THICKENING)
SIZED = (Finding.NODULE, Finding.MASS)
DENIED = tuple(finding for finding in (*LUNG, *PLEURAL) if finding in PERTINENT)
FEW = settings(max_examples=15)
ZONES = tuple(region for region in Region if region.value.endswith("_zone"))


def entry(claim: Claim) -> LedgerEntry:
    return LedgerEntry(
        id="L1",
        finding=claim.finding,
        side=claim.side,
        region=claim.region,
        probability=0.9,
        decision=Decision.PRESENT if claim.present else Decision.ABSENT,
        certainty=claim.certainty,
        severity=claim.severity,
        change=claim.change,
        measurement=claim.measurement,
        reason="generated",
        votes=(Vote(expert="any", evidence="E1", polarity=claim.polarity),),
    )


def written(claim: Claim, language: Language, seed: int, has_prior: bool = True) -> Sentence:
    """The phraser's sentence for a claim."""
    context = ReportContext(language=language, seed=seed, has_prior=has_prior)
    for section in phrase_report(Ledger(entries=(entry(claim),)), context):
        for sentence in section.sentences:
            if section.name is SectionName.FINDINGS and sentence.claims:
                return sentence
    raise AssertionError(claim)


@st.composite
def claims(draw: st.DrawFn, findings: tuple[Finding, ...] = (*LUNG, *PLEURAL)) -> Claim:
    finding = draw(st.sampled_from(findings))
    region, side = None, draw(st.sampled_from((Side.LEFT, Side.RIGHT)))
    if finding in LUNG:
        region = draw(st.sampled_from(ZONES))
        side = Side.LEFT if region.value.startswith("left") else Side.RIGHT
    size = None
    if finding in SIZED and (findings == SIZED or draw(st.booleans())):
        size = Measurement(name="diameter", value=float(draw(st.integers(10, 80))), unit="mm")
    return Claim(
        finding=finding,
        side=side,
        region=region,
        certainty=draw(st.sampled_from(Certainty)),
        severity=draw(st.sampled_from((None, Severity.MILD, Severity.SEVERE))),
        change=draw(st.sampled_from((None, Change.WORSE))),
        measurement=size,
    )


def kinds(text: str, claim: Claim, language: Language, has_prior: bool = True) -> set[D]:
    return {d.type for d in compare(text, [claim], language, has_prior=has_prior)}


def other_side(claim: Claim) -> Claim:
    side = Side.LEFT if claim.side is Side.RIGHT else Side.RIGHT
    region = claim.region
    if region is not None:
        names = ("left", "right") if side is Side.RIGHT else ("right", "left")
        region = Region(region.value.replace(*names))
    return claim.model_copy(update={"side": side, "region": region})


def planted(claim: Claim, kind: D) -> Claim:
    """The claim with one attribute turned into another."""
    match kind:
        case D.SIDE:
            return other_side(claim)
        case D.PLACE:
            options = [z for z in ZONES if z.value[:4] == (claim.region or "")[:4]]
            region = next(z for z in options if z is not claim.region)
            return claim.model_copy(update={"region": region})
        case D.SEVERITY:
            worse = Severity.MODERATE if claim.severity is Severity.MILD else Severity.MILD
            return claim.model_copy(update={"severity": worse})
        case D.CHANGE:
            better = Change.BETTER if claim.change is Change.WORSE else Change.WORSE
            return claim.model_copy(update={"change": better})
        case D.CERTAINTY:
            at = list(Certainty).index(claim.certainty)
            return claim.model_copy(update={"certainty": list(Certainty)[at - 1]})
        case _:
            size = claim.measurement
            assert size is not None
            larger = size.model_copy(update={"value": size.value + 3})
            return claim.model_copy(update={"measurement": larger})


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize(
    ("kind", "findings"),
    [
        (D.SIDE, (*LUNG, *PLEURAL)),
        (D.PLACE, LUNG),
        (D.SEVERITY, (*LUNG, *PLEURAL)),
        (D.CHANGE, (*LUNG, *PLEURAL)),
        (D.CERTAINTY, (*LUNG, *PLEURAL)),
        (D.NUMBER, SIZED),
    ],
)
@FEW
@given(data=st.data())
def test_a_planted_attribute_is_found(
    language: Language, kind: D, findings: tuple[Finding, ...], data: st.DataObject
) -> None:
    claim, seed = data.draw(claims(findings)), data.draw(st.integers(0, 5))
    found = kinds(written(planted(claim, kind), language, seed).text, claim, language)
    assert kind in found
    assert found <= {kind, D.PLACE} if kind is D.SIDE else found == {kind}


@pytest.mark.parametrize("language", Language)
@FEW
@given(claim=claims(DENIED), seed=st.integers(0, 5))
def test_a_planted_denial_is_found(language: Language, claim: Claim, seed: int) -> None:
    plain = Claim(finding=claim.finding, side=claim.side, region=claim.region)
    denied = plain.model_copy(update={"polarity": Polarity.ABSENT})
    denial = written(denied, language, seed).text
    assert kinds(denial, claim, language) == {D.FLIPPED}
    assert kinds(written(plain, language, seed).text, denied, language) == {D.FLIPPED}


@pytest.mark.parametrize("language", Language)
@FEW
@given(claim=claims(), other=claims(), seed=st.integers(0, 5))
def test_planted_and_missing_findings_are_found(
    language: Language, claim: Claim, other: Claim, seed: int
) -> None:
    assume(claim.finding is not other.finding)
    text = written(claim, language, seed).text
    more = f"{text} {written(other, language, seed).text}"
    assert kinds(more, claim, language) - {D.NUMBER} == {D.ADDED}
    found = {d.type for d in compare(text, [claim, other], language, has_prior=True)}
    assert found == {D.DROPPED}


@pytest.mark.parametrize("language", Language)
@FEW
@given(claim=claims(), seed=st.integers(0, 5))
def test_a_change_without_a_prior_is_found(language: Language, claim: Claim, seed: int) -> None:
    changed = claim.model_copy(update={"change": Change.WORSE})
    text = written(changed, language, seed).text
    assert kinds(text, claim.model_copy(update={"change": None}), language, False) == {
        D.CHANGE_WITHOUT_PRIOR
    }


WORDS = {
    Language.ENGLISH: (", under tension", ", likely malignant", ", drainage is advised"),
    Language.SPANISH: (", a tensión", ", de aspecto maligno", ", se recomienda drenaje"),
}


@pytest.mark.parametrize("language", Language)
@FEW
@given(claim=claims(), seed=st.integers(0, 5), data=st.data())
def test_words_beyond_the_readers_are_found_in_a_models_sentence(
    language: Language, claim: Claim, seed: int, data: st.DataObject
) -> None:
    sentence = written(claim, language, seed)
    model = sentence.model_copy(update={"origin": Origin.MODEL})
    assert not verify_sentence(model, [entry(claim)], True, language).differences
    more = sentence.text.rstrip(".") + data.draw(st.sampled_from(WORDS[language])) + "."
    false = model.model_copy(update={"text": more})
    assert verify_sentence(false, [entry(claim)], True, language).differences


@pytest.mark.parametrize("language", Language)
@FEW
@given(claim=claims(), seed=st.integers(0, 5))
def test_a_whole_report_with_one_false_sentence_is_not_verified(
    language: Language, claim: Claim, seed: int
) -> None:
    true = written(claim, language, seed)
    false = true.model_copy(update={"text": written(other_side(claim), language, seed).text})
    assert label_report(false.text, language)
    outcomes = [
        verify(
            [Section(name=SectionName.FINDINGS, sentences=(sentence,))],
            [entry(claim)],
            True,
            language,
        ).ok
        for sentence in (true, false)
    ]
    assert outcomes == [True, False]
