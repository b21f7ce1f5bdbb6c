"""Printed drafts: complete, and inert whatever text they hold."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from findings.labeler import label_report
from findings.vocabulary import Finding, Language, Polarity
from imaging.study import StudyImage
from reporting.draft import Draft, DraftStatus, Section, SectionName, Sentence
from reporting.ledger import Decision, Ledger, LedgerEntry, Vote
from reporting.limits import limits
from reporting.render import escape_markdown, plain, report_markdown, report_text

MakeDraft = Callable[..., Draft]
MakeFilm = Callable[[int, int], StudyImage]


@pytest.fixture(scope="module")
def draft(rich_ledger: Ledger, make_draft: MakeDraft, make_film: MakeFilm) -> Draft:
    return make_draft(rich_ledger, make_film(64, 64))


def test_notice_comes_once_and_follows_the_status(draft: Draft) -> None:
    text = report_markdown(draft)
    assert text.count("Research use only") == 1
    assert "not verified by a radiologist" in text
    signed = report_markdown(draft.model_copy(update={"status": DraftStatus.SIGNED}))
    assert signed.count("Research use only") == 1
    assert "signed off by a person" in signed


def test_every_sentence_and_its_evidence_are_there(draft: Draft) -> None:
    text = report_markdown(draft)
    for sentence in draft.sentences():
        assert escape_markdown(sentence.text) in text
        for key in sentence.evidence:
            assert f"[{key}](#{key.lower()})" in text
    for item in draft.evidence:
        assert text.count(f'<a id="{item.id.lower()}"></a>{item.id} ') == 1


def test_all_that_carried_the_draft_is_listed(draft: Draft) -> None:
    text = report_markdown(draft)
    for part in (
        "## Disagreements",
        "text says right \\| left | masks |",
        "| Cardiothoracic ratio | 0.56 |",
        "at the detector plane, not corrected for magnification",
        "| clues | embedded | not installed | no weights |",
        "| efficientnet | 0.1.0 | Apache-2.0 | `abababababab…` |",
        "- sentences repaired: 1",
        "| experts | 1.30 |",
        "accepted with warnings",
        "  - Cropped.",
    ):
        assert part in text
    assert "| emphysema |  | no decision | 0.80 |" in text


def test_table_rows_keep_their_columns(draft: Draft) -> None:
    width = None
    for line in report_markdown(draft).splitlines():
        if not line.startswith("|"):
            width = None
            continue
        cells = len(re.findall(r"(?<!\\)\|", line))
        assert width in (None, cells), line
        width = cells


def test_findings_stand_in_paragraphs_and_the_impression_is_numbered(draft: Draft) -> None:
    text = report_markdown(draft)
    positions = [text.index(f"**{name}.**") for name in ("Heart and mediastinum", "Lungs")]
    assert positions == sorted(positions)
    impression = text.split("## Impression")[1].split("## What this")[0]
    items = re.findall(r"^(\d+)\. ", impression, re.MULTILINE)
    assert items == [str(n) for n in range(1, len(items) + 1)]
    assert len(items) == len(draft.section(SectionName.IMPRESSION).sentences)


def test_spanish_report_has_spanish_headings(
    rich_ledger: Ledger, make_draft: MakeDraft, make_film: MakeFilm
) -> None:
    spanish = make_draft(rich_ledger, make_film(64, 64), Language.SPANISH)
    text = report_markdown(spanish)
    assert "Solo para investigación" in text
    assert "## Conclusión" in text
    assert "| Índice cardiotorácico | 0,56 |" in text
    assert not re.search(r"\b(Findings|Evidence|Measurements|Impression)\b", text)


def test_plain_text_wraps_and_cites(draft: Draft) -> None:
    text = report_text(draft, width=70)
    assert all(len(line) <= 70 for line in text.splitlines())
    assert "IMPRESSION\n  1. " in text
    joined = " ".join(text.split())
    for sentence in draft.sentences():
        assert sentence.text in joined
    assert "[E4, E5]" in joined or "[E5, E4]" in joined


def test_what_the_report_leaves_out_is_said_beside_it(
    normal_ledger: Ledger, make_draft: MakeDraft, make_film: MakeFilm
) -> None:
    voted = tuple(
        entry.model_copy(
            update={"votes": tuple(v.model_copy(update={"weight": -1.0}) for v in entry.votes)}
        )
        for entry in normal_ledger.entries
    )
    for language, parts in {
        Language.ENGLISH: (
            "clue retriever (not installed)",
            "bones and soft tissues; devices.",
        ),
        Language.SPANISH: (
            "buscador de indicios (no instalado)",
            "hueso y partes blandas; material médico implantado o externo:",
        ),
    }.items():
        draft = make_draft(normal_ledger, make_film(64, 64), language)
        draft = draft.model_copy(update={"ledger": voted})
        text = " ".join(report_text(draft).split())
        page = report_markdown(draft)
        for part in parts:
            assert part in text
            assert escape_markdown(part) in page
        assert not any(label_report(said, language) for said in limits(draft))
        assert len(limits(draft.model_copy(update={"experts": ()}))) == 1


def test_what_could_not_be_judged_stands_with_its_organ(
    make_draft: MakeDraft, make_film: MakeFilm, entry: Callable[..., LedgerEntry]
) -> None:
    ledger = Ledger(
        entries=(
            entry(1, Finding.CARDIOMEGALY, Decision.ABSTAIN),
            entry(2, Finding.EDEMA, Decision.ABSENT),
            entry(3, Finding.PNEUMOTHORAX, Decision.ABSTAIN),
            entry(4, Finding.PLEURAL_EFFUSION, Decision.ABSENT),
        )
    )
    text = " ".join(report_text(make_draft(ledger, make_film(64, 64))).split())
    assert "Heart and mediastinum: The size of the heart could not be judged" in text
    lungs, pleura = text.split("Lungs: ")[1].split("Pleura and diaphragm: ")
    assert "inconclusive" not in lungs and "Assessment for pneumothorax is inconclusive" in pleura
    impression = text.split("IMPRESSION ")[1]
    assert "pleural effusion" in impression.split("2. ")[0]
    assert "The size of the heart could not be judged" in impression
    assert "Assessment for pneumothorax is inconclusive" in impression


@pytest.mark.parametrize("language", Language)
def test_no_reader_hears_a_finding_in_organs_that_nobody_looked_at(
    make_draft: MakeDraft,
    make_film: MakeFilm,
    entry: Callable[..., LedgerEntry],
    language: Language,
) -> None:
    draft = make_draft(Ledger(), make_film(64, 64), language)
    vote = Vote(expert="e", evidence="E1", polarity=Polarity.PRESENT, weight=1.0)
    organs = (Finding.CARDIOMEGALY, Finding.NODULE, Finding.PNEUMOTHORAX, Finding.FRACTURE)
    for number in range(len(organs) + 1):
        seen = tuple(entry(1, finding, votes=(vote,)) for finding in organs[:number])
        said = limits(draft.model_copy(update={"ledger": seen}))
        assert len(said) == 2 and label_report(said[1], language) == ()


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=200))
def test_any_text_is_inert_in_markdown(text: str) -> None:
    escaped = escape_markdown(text)
    assert not re.search(r"[<>\x00-\x1f\x7f\u202a-\u202e\u2066-\u2069]", escaped)
    unescaped = re.sub(r"&#?\w+;|\\.", "", escaped)
    assert not re.search(r"[`*_\[\]|~$#!]", unescaped)
    assert "\n" not in escaped


@pytest.mark.parametrize(
    "hostile",
    [
        "<img src=x onerror=alert(1)>",
        "[click](javascript:alert(1))",
        "![x](http://example.com/x.png)",
        "| a | b |\n| --- | --- |",
        "# heading",
        "- item",
        "1. item",
        "`code` **bold** $x$",
        "www.example.com me@example.com",
        "\x1b[31mred\x1b[0m \u202egnp",
    ],
)
def test_hostile_sentences_stay_text(draft: Draft, hostile: str) -> None:
    sections = (Section(name=SectionName.IMPRESSION, sentences=(Sentence(id="S1", text=hostile),)),)
    changed = draft.model_copy(update={"sections": sections})
    text = report_markdown(changed)
    body = text.split("## Impression")[1].split("## What this")[0]
    assert "<img" not in body and not re.search(r"(?<!\\)\]\(", body) and "javascript:" not in body
    assert "http:" not in body and "www." not in body and "@" not in body
    assert len(body.strip().splitlines()) == 1
    assert not re.search(r"[\x00-\x09\x0b-\x1f\u202e]", text + report_text(changed))


def test_long_text_is_bounded() -> None:
    assert len(plain("word " * 5000, 100)) == 100
