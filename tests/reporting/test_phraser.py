"""The phraser says what the ledger carries, in order, once, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise

import pytest

from findings.catalogue import describe
from findings.claims import Claim, Measurement
from findings.errors import EvidenceRuleError
from findings.regions import Region
from findings.vocabulary import Certainty, Change, Finding, Language, Severity, Side
from imaging.study import Source, View
from reporting.context import ReportContext
from reporting.draft import Section, SectionName
from reporting.ledger import Decision, Disagreement, DisagreementType, Ledger, LedgerEntry
from reporting.phraser import phrase_report
from reporting.planning import Doubt, Kind, Statement, topic_of
from reporting.read_back import read_claims
from reporting.verify import same_content, verify
from reporting.wording import Wording

EntryMaker = Callable[..., LedgerEntry]


def texts(ledger: Ledger, name: SectionName = SectionName.FINDINGS, **given: object) -> list[str]:
    sections = phrase_report(ledger, ReportContext.model_validate(given))
    return [s.text for section in sections if section.name is name for s in section.sentences]


def text(ledger: Ledger, **given: object) -> str:
    sections = phrase_report(ledger, ReportContext.model_validate(given))
    return " ".join(s.text for section in sections for s in section.sentences)


def section(sections: tuple[Section, ...], name: SectionName) -> Section:
    return next(s for s in sections if s.name is name)


def test_rich_ledger_in_english(rich_ledger: Ledger) -> None:
    report = text(rich_ledger, view=View.AP, has_prior=True)
    for part in (
        "(cardiothoracic ratio 0.56)",
        "The AP projection magnifies the heart",
        "Probable pneumonia in the right lower zone",
        "onsolidation in the right lower zone",
        "Possible new nodule in the left upper lobe, measuring 12 mm "
        "(at the detector plane, uncorrected for magnification)",
        "telectasis in both lower zones",
        "small left pleural effusion",
        "entral venous catheter",
        "Interval removal of endotracheal tube",
    ):
        assert part in report
    assert "opacity" not in report
    assert "mphysema" not in report


def test_rich_ledger_in_spanish(rich_ledger: Ledger) -> None:
    report = text(rich_ledger, language="es", view=View.AP, has_prior=True)
    for part in (
        "(índice cardiotorácico 0,56)",
        "Probable neumonía en el campo pulmonar inferior derecho",
        "nuevo nódulo en el lóbulo superior izquierdo, de 12 mm",
        "telectasia en ambos campos pulmonares inferiores",
        "errame pleural izquierdo leve",
        "atéter venoso central derecho",
    ):
        assert part in report


def test_normal_study_is_brief(normal_ledger: Ledger) -> None:
    findings = texts(normal_ledger)
    assert len(findings) == 3
    assert "normal" in findings[0]
    assert "(cardiothoracic ratio 0.46)" in findings[0]
    assert "consolidation, pulmonary edema or lung nodule" in findings[1]
    assert "pleural effusion or pneumothorax" in findings[2]
    assert texts(normal_ledger, SectionName.IMPRESSION) == ["No acute cardiopulmonary abnormality."]


@pytest.mark.parametrize("language", Language)
def test_nothing_known_is_said_and_claims_nothing(entry: EntryMaker, language: Language) -> None:
    ledger = Ledger(entries=(entry(1, Finding.PNEUMOTHORAX, Decision.ABSTAIN),))
    for known in (Ledger(), ledger):
        sections = phrase_report(known, ReportContext(language=language))
        assert not any(s.claims for part in sections for s in part.sentences)
        assert section(sections, SectionName.IMPRESSION).sentences
        assert verify(sections, known.entries, False, language).ok


UNDECIDED = {
    Language.ENGLISH: (
        "The size of the heart could not be judged, because ",
        "Assessment for pleural effusion or pneumothorax is inconclusive, because ",
        ("it could not be measured reliably.", "the experts disagree."),
    ),
    Language.SPANISH: (
        "No se ha podido valorar el tamaño del corazón, porque ",
        "Datos insuficientes para confirmar o para descartar derrame pleural o neumotórax, porque ",
        ("no se ha podido medir con fiabilidad.", "los expertos no coinciden."),
    ),
}


@pytest.mark.parametrize("language", Language)
def test_what_every_report_speaks_of_is_told_to_be_undecided(
    entry: EntryMaker, language: Language
) -> None:
    disputed = Disagreement(type=DisagreementType.POLARITY, detail="a | b", settled_by="the pool")
    ledger = Ledger(
        entries=(
            entry(1, Finding.PNEUMOTHORAX, Decision.ABSTAIN, disagreements=(disputed,)),
            entry(2, Finding.PLEURAL_EFFUSION, Decision.ABSTAIN, disagreements=(disputed,)),
            entry(3, Finding.CARDIOMEGALY, Decision.ABSTAIN),
            entry(4, Finding.EMPHYSEMA, Decision.ABSTAIN),
            entry(5, Finding.NODULE, Decision.ABSENT),
        )
    )
    heart, pleura, (unmeasured, disagree) = UNDECIDED[language]
    sections = phrase_report(ledger, ReportContext(language=language, view=View.AP))
    told = section(sections, SectionName.FINDINGS).sentences
    assert told[0].text == heart + unmeasured
    assert told[0].entries == ("L3",) and told[0].evidence and not told[0].claims
    assert told[1].text.startswith(("The AP projection", "La proyección AP"))
    assert told[-1].text == pleura + disagree and set(told[-1].entries) == {"L1", "L2"}
    assert len(told) == 4
    assert verify(sections, ledger.entries, False, language).ok


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("doubt", Doubt)
@pytest.mark.parametrize(
    "findings",
    [
        (Finding.CARDIOMEGALY,),
        (Finding.PLEURAL_EFFUSION,),
        (Finding.PNEUMOTHORAX,),
        (Finding.PNEUMOTHORAX, Finding.PLEURAL_EFFUSION),
    ],
)
def test_no_reader_takes_the_undecided_for_a_claim(
    entry: EntryMaker, language: Language, doubt: Doubt, findings: tuple[Finding, ...]
) -> None:
    heads = tuple(Claim(finding=finding) for finding in findings)
    entries = (entry(1, findings[0], Decision.ABSTAIN),)
    statement = Statement(Kind.UNDECIDED, topic_of(findings[0]), heads, (), entries, doubt)
    assert read_claims(Wording(language).sentence(statement), language) == ()


def _ratio(value: float) -> Measurement:
    return Measurement(name="cardiothoracic_ratio", value=value, unit="1")


def test_the_undecided_is_silent_where_something_is_said_of_it(entry: EntryMaker) -> None:
    ledger = Ledger(
        entries=(
            entry(1, Finding.PLEURAL_EFFUSION, side=Side.LEFT),
            entry(2, Finding.PLEURAL_EFFUSION, Decision.ABSTAIN, side=Side.RIGHT),
            entry(3, Finding.PNEUMOTHORAX, Decision.ABSTAIN, votes=()),  # only the prior names it
            entry(4, Finding.CARDIOMEGALY, Decision.ABSTAIN, measurement=_ratio(0.51)),
        )
    )
    heart, pleura = texts(ledger)
    assert "effusion" in pleura and "pneumothorax" not in pleura
    assert heart.endswith("the evidence is too weak either way.")


def test_joint_negative_needs_both(entry: EntryMaker) -> None:
    both = [entry(1, Finding.PLEURAL_EFFUSION, Decision.ABSENT)]
    assert "pneumothorax" not in text(Ledger(entries=tuple(both)))
    both.append(entry(2, Finding.PNEUMOTHORAX, Decision.ABSENT))
    assert "pleural effusion or pneumothorax" in text(Ledger(entries=tuple(both)))


def test_negatives_without_evidence_or_against_a_positive_are_not_said(entry: EntryMaker) -> None:
    ledger = Ledger(
        entries=(
            entry(1, Finding.PNEUMOTHORAX, Decision.ABSENT, votes=()),
            entry(2, Finding.LUNG_OPACITY, Decision.ABSENT),
            entry(3, Finding.PNEUMONIA, region=Region.LEFT_LOWER_ZONE),
            entry(4, Finding.EDEMA, Decision.ABSENT, certainty=Certainty.POSSIBLE),
        )
    )
    report = text(ledger)
    assert "pneumothorax" not in report
    assert "opacity" not in report
    assert "edema" not in report


def test_positive_without_evidence_is_an_error(entry: EntryMaker) -> None:
    ledger = Ledger(entries=(entry(1, Finding.MASS, votes=()),))
    with pytest.raises(EvidenceRuleError, match="mass"):
        phrase_report(ledger, ReportContext())


@pytest.mark.parametrize("language", Language)
def test_change_is_said_only_with_a_prior(rich_ledger: Ledger, language: Language) -> None:
    words = {Language.ENGLISH: ("prior study", "new ", "removal"), Language.SPANISH: ("previo,",)}
    without = " ".join(texts(rich_ledger, language=language))
    assert not any(word in without.lower() for word in words[language])
    sections = phrase_report(rich_ledger, ReportContext(language=language))
    assert all(claim.change is None for s in sections for x in s.sentences for claim in x.claims)


def test_uncertain_is_hedged_even_if_marked_definite(entry: EntryMaker) -> None:
    ledger = Ledger(entries=(entry(1, Finding.PNEUMONIA, Decision.UNCERTAIN),))
    assert texts(ledger) == ["Possible pneumonia."]


def test_parent_and_child_at_one_place_are_one_sentence(entry: EntryMaker) -> None:
    place = {"region": Region.RIGHT_LOWER_ZONE}
    ledger = Ledger(
        entries=(
            entry(1, Finding.LUNG_OPACITY, side=Side.RIGHT),
            entry(2, Finding.CONSOLIDATION, **place),
        )
    )
    (sentence,) = section(phrase_report(ledger, ReportContext()), SectionName.FINDINGS).sentences
    assert "onsolidation in the right lower zone" in sentence.text
    assert {c.finding for c in sentence.claims} == {Finding.LUNG_OPACITY, Finding.CONSOLIDATION}
    assert set(sentence.entries) == {"L1", "L2"}
    assert set(sentence.evidence) == {"E1", "E2"}


def test_parent_elsewhere_or_surer_keeps_its_sentence(entry: EntryMaker) -> None:
    elsewhere = Ledger(
        entries=(
            entry(1, Finding.LUNG_OPACITY, side=Side.LEFT),
            entry(2, Finding.CONSOLIDATION, region=Region.RIGHT_LOWER_ZONE),
        )
    )
    surer = Ledger(
        entries=(
            entry(1, Finding.LUNG_OPACITY, side=Side.RIGHT),
            entry(2, Finding.CONSOLIDATION, Decision.UNCERTAIN, side=Side.RIGHT),
        )
    )
    assert len(texts(elsewhere)) == len(texts(surer)) == 2


def test_left_and_right_alike_are_said_together(entry: EntryMaker) -> None:
    alike = Ledger(
        entries=tuple(
            entry(number, Finding.PLEURAL_EFFUSION, side=side, severity=Severity.MILD)
            for number, side in enumerate((Side.LEFT, Side.RIGHT), start=1)
        )
    )
    (sentence,) = texts(alike)
    assert "mall bilateral pleural effusions" in sentence
    unlike = Ledger(
        entries=(
            entry(1, Finding.PLEURAL_EFFUSION, side=Side.LEFT, severity=Severity.MILD),
            entry(2, Finding.PLEURAL_EFFUSION, side=Side.RIGHT, severity=Severity.SEVERE),
        )
    )
    assert len(texts(unlike)) == 2


def test_impression_is_ordered_by_weight_and_repeats_nothing(rich_ledger: Ledger) -> None:
    sections = phrase_report(rich_ledger, ReportContext(has_prior=True))
    impression = section(sections, SectionName.IMPRESSION).sentences
    weights = [max(describe(c.finding).weight for c in s.claims) for s in impression]
    assert all(first >= second for first, second in pairwise(weights))
    every = [s.text for part in sections for s in part.sentences if part is not impression]
    findings = [s.text for s in section(sections, SectionName.FINDINGS).sentences]
    assert len(set(findings)) == len(findings)
    assert len({s.text for s in impression}) == len(impression)
    assert not any(c.measurement for s in impression for c in s.claims)
    assert every


def test_ids_follow_reading_order(rich_ledger: Ledger) -> None:
    sections = phrase_report(rich_ledger, ReportContext(indication="Cough"))
    ids = [s.id for part in sections for s in part.sentences]
    assert ids == [f"S{n}" for n in range(1, len(ids) + 1)]
    assert [part.name for part in sections] == list(SectionName)


def test_same_seed_same_words_and_other_seeds_vary(rich_ledger: Ledger) -> None:
    reports = [text(rich_ledger, seed=seed, has_prior=True) for seed in (0, 0, 1, 2, 3)]
    assert reports[0] == reports[1]
    assert len(set(reports)) > 2


def test_heart_size_caveat_only_on_ap_films(rich_ledger: Ledger, normal_ledger: Ledger) -> None:
    for ledger in (rich_ledger, normal_ledger):
        assert "magnifies the heart" in text(ledger, view=View.AP)
        assert "magnifies the heart" not in text(ledger, view=View.PA)
    assert "magnifies the heart" not in text(Ledger(), view=View.AP)


def test_technique_tells_what_is_known() -> None:
    guessed = texts(Ledger(), SectionName.TECHNIQUE, view=View.PA, view_source=Source.GUESSED)
    assert len(guessed) == 2
    assert "estimated" in guessed[1]
    assert "not recorded" in texts(Ledger(), SectionName.TECHNIQUE)[0]
    warned = texts(Ledger(), SectionName.TECHNIQUE, gate_warnings=("cropped", "burned_in_text"))
    assert warned[-1] == "Image quality: part of the lungs seems to lie outside the image."


def test_indication_is_quoted_on_one_bounded_line() -> None:
    given = "Cough\n\x1b[31m{0}\u202e fever " + "x" * 900
    (line,) = texts(Ledger(), SectionName.INDICATION, indication=given)
    assert line.startswith("“Cough [31m{0} fever xxx")
    assert line.endswith("…”")
    assert len(line) <= 502
    assert not re.search(r"[\x00-\x1f\u202e]", line)
    assert texts(Ledger(), SectionName.INDICATION, indication="  ") == []


def test_present_and_resolved_contradict_and_the_change_goes(entry: EntryMaker) -> None:
    ledger = Ledger(entries=(entry(1, Finding.EDEMA, change=Change.RESOLVED),))
    sections = phrase_report(ledger, ReportContext(has_prior=True))
    (sentence,) = section(sections, SectionName.FINDINGS).sentences
    assert [c.change for c in sentence.claims] == [None]


def test_both_languages_say_the_same(rich_ledger: Ledger, normal_ledger: Ledger) -> None:
    for ledger in (rich_ledger, normal_ledger, Ledger()):
        english, spanish = (
            phrase_report(ledger, ReportContext(language=language, has_prior=True))
            for language in Language
        )
        assert same_content(english, spanish)
    other = phrase_report(normal_ledger, ReportContext(language=Language.SPANISH))
    first = phrase_report(rich_ledger, ReportContext())
    assert not same_content(first, other)
