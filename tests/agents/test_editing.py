"""A person's acts on a draft: applied, undone, read back, audited, signed, kept as preferences."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from fakes import fake_services, fake_settings
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from agents.conversation.pointing import at_place
from agents.drafting import DraftOptions, draft_study, sign_draft
from agents.editing import Act, NoteKind, PersonAct, Standing, act_on, edited, open_book, undo
from agents.editing.preferences import pairs
from agents.state import FinalText, SignOff
from findings.errors import EvidenceRuleError, UserInputError
from findings.evidence import RegionMask
from findings.labeler import label_report
from findings.regions import Region
from findings.vocabulary import Finding, Language
from imaging.loading import load_study
from imaging.study import Study
from reporting.audit import AUDIT_FILE, read_events, verify_chain
from reporting.draft import Draft, DraftStatus, Origin, SectionName, Sentence
from reporting.files import DRAFT_FILE, read_draft

SAMPLES = Path(__file__).parents[2] / "docs" / "samples"
DRAFT = SAMPLES / "drafts" / "cardiomegaly"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(DRAFT, tmp_path / "draft"))


@pytest.fixture(scope="module")
def study() -> Study:
    return load_study(SAMPLES / "cardiomegaly.dcm")


def no_study() -> Study:
    raise AssertionError("only a translation needs the study")


def do(folder: Path, act: Act, **what: object) -> Draft:
    return act_on(folder, PersonAct.model_validate({"act": act, **what}), False, no_study)


def heart(draft: Draft) -> str:
    """The findings' sentence that affirms a large heart."""
    return next(
        s.id
        for s in draft.section(SectionName.FINDINGS).sentences
        if any(c.finding is Finding.CARDIOMEGALY and c.present for c in s.claims)
    )


def test_a_contradiction_is_shown_at_both_sentences_and_blocks_nothing(folder: Path) -> None:
    key = heart(read_draft(folder / DRAFT_FILE))
    standing = do(folder, Act.REWORD, sentence=key, text="The heart is normal in size.")
    book, draft = open_book(folder)
    notes = book.notes(draft, has_prior=False)
    assert draft == standing == read_draft(folder / DRAFT_FILE)
    assert draft.status is DraftStatus.DRAFT
    assert "The heart is normal in size." in (folder / "report.md").read_text()
    against_ledger = [n for n in notes if n.kind is NoteKind.MISSED and n.sentence == key]
    assert against_ledger[0].finding is Finding.CARDIOMEGALY and against_ledger[0].evidence
    within = {n.sentence for n in notes if n.kind is NoteKind.CONTRADICTION}
    assert key in within and len(within) == 2


def test_the_machines_own_text_raises_no_note(folder: Path) -> None:
    do(folder, Act.ACCEPT, sentence=heart(read_draft(folder / DRAFT_FILE)))
    book, draft = open_book(folder)
    assert book.notes(draft, has_prior=False) == ()
    assert draft.status is DraftStatus.VERIFIED


def test_undo_brings_back_exactly_what_was_there(folder: Path) -> None:
    before = read_draft(folder / DRAFT_FILE)
    do(folder, Act.REJECT, sentence=heart(before))
    assert read_draft(folder / DRAFT_FILE) != before
    assert undo(folder, has_prior=False) == before
    with pytest.raises(UserInputError, match="nothing to undo"):
        undo(folder, has_prior=False)


def test_a_rejected_finding_is_told_as_missed(folder: Path) -> None:
    draft = read_draft(folder / DRAFT_FILE)
    for sentence in draft.sentences():
        if any(claim.present for claim in sentence.claims):
            do(folder, Act.REJECT, sentence=sentence.id)
    book, draft = open_book(folder)
    missed = [n for n in book.notes(draft, False) if n.kind is NoteKind.MISSED]
    assert [(n.finding, n.sentence) for n in missed] == [(Finding.CARDIOMEGALY, None)]


def test_an_added_sentence_is_the_persons_claim(folder: Path) -> None:
    do(folder, Act.ADD, section="findings", text="PICC line tip in the\nsuperior vena cava.")
    book, draft = open_book(folder)
    added = [line for line in book.report(draft).lines if line.standing is Standing.ADDED]
    assert added[0].sentence.origin is Origin.PERSON and added[0].drafted is None
    assert added[0].sentence.text == "PICC line tip in the superior vena cava."
    assert added[0].sentence.claims[0].finding is Finding.CENTRAL_VENOUS_CATHETER
    ids = [s.id for s in draft.sentences()]
    assert len(set(ids)) == len(ids)
    assert draft.section(SectionName.FINDINGS).sentences[-1].id == added[0].sentence.id


def test_translation_says_the_same_and_leaves_a_persons_words(folder: Path, study: Study) -> None:
    key = heart(read_draft(folder / DRAFT_FILE))
    do(folder, Act.REWORD, sentence=key, text="The heart is large.")
    act = PersonAct(act=Act.TRANSLATE, language=Language.SPANISH)
    spanish = act_on(folder, act, False, lambda: study)
    assert spanish.language is Language.SPANISH
    book, draft = open_book(folder)
    for line in book.report(draft).lines:
        if line.sentence.id == key:
            assert (line.sentence.text, line.language) == ("The heart is large.", Language.ENGLISH)
        elif line.sentence.claims:
            read = {c.finding for c in label_report(line.sentence.text, Language.SPANISH)}
            assert {c.finding for c in line.sentence.claims} & read
    assert undo(folder, has_prior=False).language is Language.ENGLISH


def test_every_act_is_chained_in_the_audit_log_without_its_words(folder: Path) -> None:
    started = verify_chain(folder / AUDIT_FILE)
    key = heart(read_draft(folder / DRAFT_FILE))
    do(folder, Act.REWORD, sentence=key, text="Secret words.")
    do(folder, Act.REJECT, sentence=key)
    undo(folder, has_prior=False)
    assert verify_chain(folder / AUDIT_FILE) == started + 3
    names = [event.event for event in read_events(folder / AUDIT_FILE)][started:]
    assert names == ["edit.reword", "edit.reject", "edit.undone"]
    assert "Secret" not in (folder / AUDIT_FILE).read_text()


def test_a_signed_report_cannot_be_edited(folder: Path) -> None:
    content = json.loads((folder / DRAFT_FILE).read_text())
    (folder / DRAFT_FILE).write_text(json.dumps({**content, "status": "signed"}))
    with pytest.raises(UserInputError, match="signed"):
        do(folder, Act.REJECT, sentence="S1")
    with pytest.raises(UserInputError, match="signed"):
        undo(folder, has_prior=False)


def test_what_a_person_changed_becomes_preference_pairs(folder: Path) -> None:
    before = read_draft(folder / DRAFT_FILE)
    key = heart(before)
    text = next(s.text for s in before.sentences() if s.id == key)
    do(folder, Act.REWORD, sentence=key, text="The heart is large.")
    last = before.section(SectionName.IMPRESSION).sentences[-1]
    do(folder, Act.REJECT, sentence=last.id)
    do(folder, Act.ADD, section="findings", text="Old rib fracture on the left.")
    book, draft = open_book(folder)
    found = [(pair.chosen, pair.rejected) for pair in pairs(draft, book.report(draft))]
    assert found == [
        ("The heart is large.", text),
        ("Old rib fracture on the left.", ""),
        ("", last.text),
    ]


@pytest.mark.parametrize(
    "wrong",
    [
        {"act": "reword", "sentence": "S1"},
        {"act": "reword", "sentence": "../x", "text": "a"},
        {"act": "add", "text": "x"},
        {"act": "add", "section": "findings", "text": " \n\x00 "},
        {"act": "translate"},
        {"act": "accept"},
        {"act": "reword", "sentence": "S1", "text": "x" * 1_001},
    ],
)
def test_incomplete_or_oversized_acts_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        PersonAct.model_validate(wrong)


_ACTS = st.one_of(
    st.builds(
        PersonAct,
        act=st.sampled_from([Act.ACCEPT, Act.REJECT, Act.RESTORE]),
        sentence=st.sampled_from(["S1", "S3", "S4", "S7", "S99"]),
    ),
    st.builds(
        PersonAct,
        act=st.just(Act.REWORD),
        sentence=st.sampled_from(["S3", "S4", "S7"]),
        text=st.sampled_from(["No pneumothorax.", "The heart is large.", "x"]),
    ),
    st.builds(
        PersonAct,
        act=st.just(Act.ADD),
        section=st.sampled_from([SectionName.FINDINGS, SectionName.IMPRESSION]),
        text=st.just("Small left pleural effusion."),
    ),
)


@given(st.lists(_ACTS, max_size=12))
def test_any_acts_leave_a_report_with_distinct_ids_in_section_order(acts: list[PersonAct]) -> None:
    draft = read_draft(DRAFT / DRAFT_FILE)
    report = edited({draft.language: draft.sections}, draft.language, acts, draft.ledger)
    ids = [line.sentence.id for line in report.lines]
    assert len(set(ids)) == len(ids)
    order = list(SectionName)
    places = [order.index(line.section) for line in report.lines]
    assert places == sorted(places)
    kept = [line.sentence for line in report.lines if line.standing is not Standing.REJECTED]
    assert [s for section in report.sections() for s in section.sentences] == kept
    undone = edited({draft.language: draft.sections}, draft.language, (), draft.ledger)
    assert undone.sections() == draft.sections


def test_a_box_on_the_heart_is_answered_from_what_lies_there() -> None:
    draft = read_draft(DRAFT / DRAFT_FILE)
    region = next(
        e
        for e in draft.evidence
        if isinstance(e, RegionMask) and e.region is Region.CARDIAC_SILHOUETTE
    )
    question, answer = at_place(draft, region.box, Language.ENGLISH)
    assert question.finding is Finding.CARDIOMEGALY
    assert "ardiomegaly here, definitely" in answer.text and region.id in answer.show
    assert {claim.finding for claim in answer.claims} <= {e.finding for e in draft.ledger}
    corner = at_place(draft, (0.0, 0.0, 4.0, 4.0), Language.SPANISH)[1]
    assert corner.claims == () and "fuera de todas las regiones" in corner.text


def test_the_edited_text_is_what_is_signed(film: Path) -> None:
    settings, services = fake_settings(film.parent), fake_services()
    options = DraftOptions(out=film.parent / "out", aggregator="phraser")
    outcome = draft_study(film, options, settings, services=services)
    findings = outcome.draft.section(SectionName.FINDINGS)
    doubtful = findings.sentences[0].model_copy(update={"text": "There is a lung mass."})
    own = doubtful.model_copy(update={"origin": Origin.PERSON})

    def sign(first: Sentence) -> Draft:
        changed = findings.model_copy(update={"sentences": (first, *findings.sentences[1:])})
        sections = tuple(changed if s is findings else s for s in outcome.draft.sections)
        text = FinalText(language=Language.ENGLISH, sections=sections)
        answer = SignOff(signer="Dr. Müller", text=text)
        return sign_draft(
            outcome.thread_id, answer, settings, out=outcome.out, services=services
        ).draft

    with pytest.raises(EvidenceRuleError, match="Reword or reject"):
        sign(doubtful)
    signed = sign(own)
    assert signed.status is DraftStatus.SIGNED and signed.counts.unsupported == 0
    assert signed.section(SectionName.FINDINGS).sentences[0] == own
    assert signed.signature is not None and signed.signature.signer == "Dr. Müller"
    assert "Signed by Dr. Müller" in (outcome.out / "report.md").read_text()
    with pytest.raises(UserInputError, match="not waiting"):
        sign(own)
