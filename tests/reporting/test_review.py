"""A report held against a ledger: each type of line, by hand."""

from __future__ import annotations

import pytest

from findings.claims import Measurement
from findings.errors import ReportError
from findings.vocabulary import Finding, Language, Polarity, Side
from reporting.draft import SectionName
from reporting.existing_report import read_report
from reporting.ledger import Decision, LedgerEntry, Vote
from reporting.review import Review, review_report
from reporting.review_items import ItemSeverity, ItemType
from reporting.suggestions import with_number, with_side


def entry(
    finding: Finding,
    decision: Decision = Decision.PRESENT,
    side: Side | None = None,
    measurement: Measurement | None = None,
) -> LedgerEntry:
    polarity = Polarity.ABSENT if decision is Decision.ABSENT else Polarity.PRESENT
    return LedgerEntry(
        id="L1",
        finding=finding,
        side=side,
        probability=0.9,
        decision=decision,
        measurement=measurement,
        reason="Stated here.",
        votes=(Vote(expert="reader", evidence="E7", polarity=polarity, side=side),),
    )


def review(text: str, *entries: LedgerEntry, has_prior: bool = False) -> Review:
    return review_report(read_report(text, Language.ENGLISH), entries, has_prior)


def only(found: Review, kind: ItemType):
    items = [item for item in found.items if item.type is not ItemType.AGREED]
    assert [item.type for item in items] == [kind], items
    return items[0]


def test_what_both_say_agrees_and_cites_the_evidence() -> None:
    found = review("Left pleural effusion.", entry(Finding.PLEURAL_EFFUSION, side=Side.LEFT))
    assert [item.type for item in found.items] == [ItemType.AGREED]
    assert found.items[0].evidence == ("E7",)


def test_a_finding_left_out_is_missed_and_worded() -> None:
    item = only(
        review("The heart is normal.", entry(Finding.PNEUMOTHORAX, side=Side.RIGHT)),
        ItemType.MISSED,
    )
    assert item.severity is ItemSeverity.HIGH and item.sentence is None
    assert item.suggestion is not None and "right" in item.suggestion.lower()


def test_a_finding_denied_is_missed_and_names_the_sentence() -> None:
    item = only(review("No pneumothorax.", entry(Finding.PNEUMOTHORAX)), ItemType.MISSED)
    assert item.sentence == "No pneumothorax"


def test_a_wide_word_for_what_is_there_is_no_miss() -> None:
    assert not review("Opacity in the right lower lobe.", entry(Finding.PNEUMONIA)).of(
        ItemType.MISSED
    )


@pytest.mark.parametrize(
    ("decision", "severity"),
    [(Decision.ABSENT, ItemSeverity.HIGH), (Decision.ABSTAIN, ItemSeverity.LOW)],
)
def test_what_nothing_carries_is_unsupported(decision, severity) -> None:
    item = only(
        review("There is a pneumothorax.", entry(Finding.PNEUMOTHORAX, decision)),
        ItemType.UNSUPPORTED,
    )
    assert item.severity is severity


def test_what_no_expert_judges_is_only_mentioned() -> None:
    item = only(review("Scoliosis of the thoracic spine."), ItemType.UNSUPPORTED)
    assert item.severity is ItemSeverity.LOW and item.evidence == ()


def test_the_wrong_side_is_turned_in_the_proposal() -> None:
    item = only(
        review("Large left pleural effusion.", entry(Finding.PLEURAL_EFFUSION, side=Side.RIGHT)),
        ItemType.WRONG_SIDE,
    )
    assert item.suggestion == "Large right pleural effusion"


def test_of_a_finding_on_both_sides_the_one_left_out_is_missed() -> None:
    item = only(
        review("Left pleural effusion.", entry(Finding.PLEURAL_EFFUSION, side=Side.BILATERAL)),
        ItemType.MISSED,
    )
    assert item.side is Side.RIGHT


def test_a_ratio_that_is_off_is_corrected() -> None:
    ratio = Measurement(name="cardiothoracic_ratio", value=0.61, unit="1")
    item = only(
        review(
            "Cardiomegaly, cardiothoracic ratio 0.54.",
            entry(Finding.CARDIOMEGALY, measurement=ratio),
        ),
        ItemType.MEASUREMENT,
    )
    assert item.suggestion is not None and "0.61" in item.suggestion


def test_findings_and_impression_may_not_contradict_each_other() -> None:
    text = "FINDINGS: Small left pleural effusion.\nIMPRESSION: No pleural effusion."
    found = review(text, entry(Finding.PLEURAL_EFFUSION, side=Side.LEFT))
    assert len(found.of(ItemType.CONTRADICTION)) == 1
    sides = "FINDINGS: Left pleural effusion.\nIMPRESSION: Right pleural effusion."
    assert review(sides, entry(Finding.PLEURAL_EFFUSION)).of(ItemType.CONTRADICTION)


@pytest.mark.parametrize(
    "text",
    [
        "Opacity in the left base. The lungs are otherwise clear.",
        "Left pleural effusion. No right pleural effusion.",
        "Cardiomegaly. The mediastinum is normal.",
    ],
)
def test_reservations_are_no_contradiction(text) -> None:
    assert not review(text).of(ItemType.CONTRADICTION)


def test_a_prior_calls_for_a_comparison_and_a_change_for_a_prior() -> None:
    assert review("Clear lungs.", has_prior=True).of(ItemType.NO_COMPARISON)
    compared = "COMPARISON: Study of last year.\nFINDINGS: Clear lungs."
    assert not review(compared, has_prior=True).of(ItemType.NO_COMPARISON)
    assert review("COMPARISON: None.\nFINDINGS: Clear.", has_prior=True).of(ItemType.NO_COMPARISON)
    assert review("Unchanged left effusion.").of(ItemType.NO_COMPARISON)


def test_the_worst_comes_first_and_agreement_last() -> None:
    found = review(
        "No pneumothorax. Left pleural effusion. Scoliosis.",
        entry(Finding.PNEUMOTHORAX),
        entry(Finding.PLEURAL_EFFUSION, side=Side.LEFT),
    )
    assert found.items[0].finding is Finding.PNEUMOTHORAX
    assert found.items[-1].type is ItemType.AGREED


def test_spanish_reports_are_read_and_answered_in_spanish() -> None:
    report = read_report("HALLAZGOS: Derrame pleural izquierdo.\nIMPRESIÓN: Sin neumotórax.")
    assert report.language is Language.SPANISH
    item = review_report(report, [entry(Finding.PLEURAL_EFFUSION, side=Side.RIGHT)], False).items[0]
    assert item.type is ItemType.WRONG_SIDE
    assert item.suggestion == "Derrame pleural derecho"


def test_sections_of_a_report() -> None:
    text = "History: pneumothorax?\nTechnique: PA\nFindings: Mass.\nImpression:\nMass."
    report = read_report(text, Language.ENGLISH)
    claiming = [s.section for s in report.sentences if s.claims]
    assert claiming == [SectionName.FINDINGS, SectionName.IMPRESSION]


@pytest.mark.parametrize("text", ["", " \n ", "a" * 100_001])
def test_what_is_no_report_is_refused(text) -> None:
    with pytest.raises(ReportError):
        read_report(text)


def test_a_sentence_with_both_sides_is_not_turned() -> None:
    assert with_side("Left effusion, right scar", Side.LEFT, Side.RIGHT) is None
    assert with_side("Left-sided effusion", Side.LEFT, Side.RIGHT) == "Right-sided effusion"


def test_a_number_is_replaced_where_it_stands_alone() -> None:
    wrong = Measurement(name="diameter", value=1.5, unit="cm")
    right = wrong.model_copy(update={"value": 2.25})
    assert (
        with_number("nodule of 1.5 cm, seen on 11.5", wrong, right)
        == "nodule of 2.2 cm, seen on 11.5"
    )
    assert with_number("nódulo de 1,5 cm", wrong, right) == "nódulo de 2,2 cm"
    assert with_number("nodule", wrong, right) is None
