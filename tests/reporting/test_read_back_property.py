"""Whatever the ledger, the phraser's own sentences read back exactly, in both languages."""

from __future__ import annotations

from functools import cache

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from findings.catalogue import FindingGroup, describe
from findings.claims import Claim, Measurement, SpacingProvenance
from findings.regions import CLALA_REGIONS, Region, region_side
from findings.vocabulary import Certainty, Change, Finding, Language, Polarity, Severity, Side
from imaging.study import View
from reporting.context import ReportContext
from reporting.ledger import Decision, Ledger, LedgerEntry, Vote
from reporting.phraser import phrase_report
from reporting.places import atoms, home, report_plan
from reporting.read_back import compare
from reporting.verify import same_content, verify
from reporting.vouching import beyond_reading

PERTINENT = {Finding(name) for names in report_plan()["pertinent"].values() for name in names}
LUNG_PLACES = (
    *(r for r in Region if any(word in r for word in ("zone", "lobe", "lung", "apex"))),
    Region.APICES,
    Region.LINGULA,
    Region.PERIHILAR,
    Region.LEFT_HILUM,
    Region.RIGHT_HILUM,
)
PLACES = {
    FindingGroup.LUNGS: (*LUNG_PLACES, Region.RETROCARDIAC, *CLALA_REGIONS),
    FindingGroup.PLEURA: (
        Region.PLEURA,
        Region.LEFT_PLEURA,
        Region.RIGHT_PLEURA,
        Region.LEFT_APEX,
        Region.RIGHT_LOWER_ZONE,
        Region.LEFT_COSTOPHRENIC_ANGLE,
        Region.COSTOPHRENIC_ANGLES,
    ),
}
NEVER_SIDED = {FindingGroup.HEART, FindingGroup.MEDIASTINUM, FindingGroup.OVERALL}


@cache
def read_words(language: Language) -> frozenset[Severity]:
    """The severities that the labeler knows in the plainest phrase of the language."""
    words = {
        Language.ENGLISH: {"minimal": "Minimal", "mild": "Mild", "moderate": "Moderate",
                           "severe": "Severe"},
        Language.SPANISH: {"minimal": "mínima", "mild": "leve", "moderate": "moderada",
                           "severe": "severa"},
    }[language]  # fmt: skip
    known = set()
    for severity in Severity:
        word = words[severity.value]
        text = f"{word} atelectasis." if language is Language.ENGLISH else f"Atelectasia {word}."
        claim = Claim(finding=Finding.ATELECTASIS, severity=severity)
        if not compare(text, [claim], language, has_prior=False):
            known.add(severity)
    return frozenset(known)


@st.composite
def entries(draw: st.DrawFn, number: int, language: Language) -> LedgerEntry:
    """A decided entry that anatomy allows: places where such a finding lies, sides that agree."""
    finding = draw(st.sampled_from([f for f in Finding if f is not Finding.NO_FINDING]))
    decision = draw(st.sampled_from(Decision))
    assume(decision is not Decision.ABSENT or finding in PERTINENT)
    group = describe(finding).group
    places = tuple(PLACES.get(group, ())) + tuple(sorted(home(finding)))
    region = draw(st.one_of(st.none(), st.sampled_from(places)))
    sides: list[Side | None] = [None, Side.MIDLINE]
    if group not in NEVER_SIDED:
        sides += [Side.LEFT, Side.RIGHT, Side.BILATERAL]
    side = draw(st.sampled_from(sides))
    own = region_side(region) if region is not None else None
    assume(group not in NEVER_SIDED or own not in (Side.LEFT, Side.RIGHT))
    if own in (Side.LEFT, Side.RIGHT, Side.MIDLINE):
        side = draw(st.sampled_from([None, own]))
    measurement = None
    if finding in (Finding.NODULE, Finding.MASS):
        value = draw(st.one_of(st.none(), st.floats(3.0, 90.0)))
        if value is not None:
            provenance = draw(st.sampled_from(list(SpacingProvenance)[:4]))
            measurement = Measurement(
                name="diameter", value=value, unit="mm", provenance=provenance
            )
    if finding is Finding.CARDIOMEGALY and decision is not Decision.ABSTAIN:
        low, high = (0.3, 0.5) if decision is Decision.ABSENT else (0.51, 0.8)
        value = draw(st.one_of(st.none(), st.floats(low, high)))
        if value is not None:
            measurement = Measurement(name="cardiothoracic_ratio", value=value, unit="1")
    severities = sorted(read_words(language), key=list(Severity).index)
    return LedgerEntry(
        id=f"L{number}",
        finding=finding,
        decision=decision,
        probability=0.5,
        certainty=draw(st.sampled_from(Certainty)),
        side=side,
        region=region,
        severity=draw(st.one_of(st.none(), st.sampled_from(severities))),
        change=draw(st.one_of(st.none(), st.sampled_from(Change))),
        measurement=measurement,
        reason="generated",
        votes=(Vote(expert="any", evidence=f"E{number}", polarity=Polarity.PRESENT),),
    )


def problems(ledger: Ledger, context: ReportContext) -> list[str]:
    """What verification holds against the phraser's report, readably."""
    sections = phrase_report(ledger, context)
    outcome = verify(sections, ledger.entries, context.has_prior, context.language)
    text = {s.id: s.text for section in sections for s in section.sentences}
    found = [
        f"{text[check.sentence]} -> {[d.model_dump(exclude_none=True) for d in check.differences]}"
        for check in outcome.checks
        if check.differences or not check.supported
    ]
    found += [
        f"{sentence.text} -> {difference.model_dump(exclude_none=True)}"
        for section in sections
        for sentence in section.sentences
        if sentence.claims
        for difference in beyond_reading(sentence.text, sentence.claims, context.language)
    ]
    return found + [f"missing {key}" for key in outcome.missing]


@pytest.mark.parametrize("language", Language)
def test_reader_knows_most_words_of_severity(language: Language) -> None:
    assert len(read_words(language)) >= 3


@pytest.mark.parametrize("language", Language)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@given(data=st.data())
def test_single_entries_read_back(language: Language, data: st.DataObject) -> None:
    entry = data.draw(entries(1, language))
    context = ReportContext(
        language=language,
        has_prior=data.draw(st.booleans()),
        view=data.draw(st.sampled_from(View)),
        seed=data.draw(st.integers(0, 7)),
    )
    assert problems(Ledger(entries=(entry,)), context) == []


@pytest.mark.parametrize("language", Language)
@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow],
)
@given(data=st.data())
def test_whole_ledgers_read_back_and_both_languages_agree(
    language: Language, data: st.DataObject
) -> None:
    count = data.draw(st.integers(2, 7))
    ledger = Ledger(
        entries=tuple(data.draw(entries(number, language)) for number in range(1, count + 1))
    )
    has_prior, seed = data.draw(st.booleans()), data.draw(st.integers(0, 3))
    context = ReportContext(language=language, has_prior=has_prior, seed=seed)
    assert problems(ledger, context) == []
    other = ReportContext(
        language=next(one for one in Language if one is not language),
        has_prior=has_prior,
        seed=seed,
    )
    assert same_content(phrase_report(ledger, context), phrase_report(ledger, other))


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("finding", [f for f in Finding if f is not Finding.NO_FINDING])
def test_every_finding_reads_back_on_each_side(finding: Finding, language: Language) -> None:
    for number, side in enumerate((None, Side.LEFT, Side.RIGHT, Side.BILATERAL)):
        entry = LedgerEntry(
            id=f"L{number}",
            finding=finding,
            decision=Decision.PRESENT,
            probability=0.9,
            side=side,
            severity=Severity.MILD,
            reason="generated",
            votes=(Vote(expert="any", evidence="E1", polarity=Polarity.PRESENT),),
        )
        assert problems(Ledger(entries=(entry,)), ReportContext(language=language)) == []


def test_atoms_are_stable() -> None:
    claim = Claim(finding=Finding.CONSOLIDATION, side=Side.BILATERAL, region=Region.LOWER_ZONES)
    parts = atoms(claim)
    assert [(p.side, p.region) for p in parts] == [
        (Side.LEFT, Region.LEFT_LOWER_ZONE),
        (Side.RIGHT, Region.RIGHT_LOWER_ZONE),
    ]
    assert [again for part in parts for again in atoms(part)] == list(parts)
