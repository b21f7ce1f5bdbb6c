"""Reading an edited report back: what it now says against the ledger and against itself."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from agents.editing.acts import EditedReport, Line, Standing
from findings.claims import Frozen
from findings.vocabulary import Finding, Language, Side
from reporting.draft import Origin, SectionName
from reporting.existing_report import ExistingReport, ReadSentence
from reporting.ledger import LedgerEntry
from reporting.remarks import remarks
from reporting.review import review_report
from reporting.review_items import ItemSeverity, ItemType, ReviewItem

_READ = (SectionName.FINDINGS, SectionName.IMPRESSION)


class NoteKind(StrEnum):
    """What is remarkable about a sentence, or about the report."""

    MISSED = "missed"
    """The ledger states a finding that the report denies or no longer mentions."""
    UNSUPPORTED = "unsupported"
    WRONG_SIDE = "wrong_side"
    MEASUREMENT = "measurement"
    CONTRADICTION = "contradiction"
    """Two sentences of the report contradict each other."""
    NO_COMPARISON = "no_comparison"
    UNREAD = "unread"
    """The labeler reads no finding in a person's sentence, so nothing could be checked."""


class Note(Frozen):
    """One remark. It informs; it never blocks."""

    kind: NoteKind
    sentence: str | None = None
    """Id of the sentence it is about; `None`: the report as a whole."""
    finding: Finding | None = None
    side: Side | None = None
    severity: ItemSeverity = ItemSeverity.LOW
    text: str
    evidence: tuple[str, ...] = ()
    suggestion: str | None = None

    @property
    def contradicts(self) -> bool:
        """Whether the report says what the evidence or another sentence denies."""
        if self.kind in (NoteKind.WRONG_SIDE, NoteKind.CONTRADICTION, NoteKind.MEASUREMENT):
            return True
        doubtful = self.severity is not ItemSeverity.LOW
        return self.kind in (NoteKind.MISSED, NoteKind.UNSUPPORTED) and doubtful


def read_edited(
    report: EditedReport,
    drafted: EditedReport,
    entries: Sequence[LedgerEntry],
    has_prior: bool,
    told_in: Language | None = None,
) -> tuple[Note, ...]:
    """What a person's acts brought about: remarks that the machine's own text did not raise.

    They are in the report's language, or `told_in` another.
    """
    tongue = told_in or report.language

    def read(one: EditedReport) -> tuple[ReviewItem, ...]:
        return _items(one, entries, has_prior, tongue)

    before = {_key(item) for item in read(drafted)}
    written = [line for line in _standing(report) if line.sentence.origin is Origin.PERSON]
    items = [*read(report)]
    for line in written:
        # By itself: a denial is not excused by what another sentence affirms.
        alone = EditedReport(language=line.language, lines=(line,))
        items += [item for item in read(alone) if item.sentence is not None]
    notes: list[Note] = []
    for item in items:
        if item.type is ItemType.AGREED or _key(item) in before:
            continue
        notes += _notes(item, report)
    notes += [
        Note(
            kind=NoteKind.UNREAD,
            sentence=line.sentence.id,
            text=remarks(tongue).review["unread"],
        )
        for line in written
        if not line.sentence.claims
    ]
    distinct: dict[tuple[object, ...], Note] = {}
    for note in notes:
        distinct.setdefault((note.kind, note.sentence, note.finding, note.side), note)
    return tuple(distinct.values())


def _notes(item: ReviewItem, report: EditedReport) -> list[Note]:
    """The remark at every sentence it is about; a contradiction at both of its sentences."""
    lines = _standing(report)
    places: list[str | None] = [line.sentence.id for line in lines if _said(line) == item.sentence]
    found = [_note(item, place) for place in places or [None]]
    if item.type is ItemType.CONTRADICTION and item.sentence:
        others = [line for line in lines if item.reason.endswith(f": {_said(line)}")]
        for line in others:
            head = item.reason.removesuffix(_said(line))
            mirrored = item.model_copy(update={"reason": f"{head}{item.sentence}"})
            found.append(_note(mirrored, line.sentence.id))
    return found


def _standing(report: EditedReport) -> list[Line]:
    return [
        line
        for line in report.lines
        if line.standing is not Standing.REJECTED and line.section in _READ
    ]


def _said(line: Line) -> str:
    return " ".join(line.sentence.text.split())


def _items(
    report: EditedReport, entries: Sequence[LedgerEntry], has_prior: bool, told_in: Language
) -> tuple[ReviewItem, ...]:
    sentences = tuple(
        ReadSentence(section=line.section, text=_said(line), claims=line.sentence.claims)
        for line in _standing(report)
    )
    compares = tuple(
        ReadSentence(section=line.section, text=_said(line))
        for line in report.lines
        if line.section is SectionName.COMPARISON and line.standing is not Standing.REJECTED
    )
    read = ExistingReport(language=Language(report.language), sentences=(*compares, *sentences))
    return review_report(read, entries, has_prior, told_in).items


def _key(item: ReviewItem) -> tuple[object, ...]:
    return (item.type, item.finding, item.side, item.sentence)


def _note(item: ReviewItem, sentence: str | None) -> Note:
    return Note(
        kind=NoteKind(item.type.value),
        sentence=sentence,
        finding=item.finding,
        side=item.side,
        severity=item.severity,
        text=item.reason,
        evidence=item.evidence,
        suggestion=item.suggestion,
    )
