"""The acts of a person on one draft, on disk: kept over restarts, undone, audited, signed.

`edits.json` lies beside `draft.json` and holds the machine's text by language with every act that
stands. After each act `draft.json` and `report.md` hold the report as it stands, so that every
reader of the folder sees it. The audit log is told of each act by number and digest, not by words.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from agents.editing.acts import Act, EditedReport, PersonAct, edited
from agents.editing.reading import Note, read_edited
from agents.editing.translation import translated
from findings.claims import Frozen
from findings.errors import ReportError, UserInputError
from findings.vocabulary import Language
from imaging.study import Study
from reporting.audit import AUDIT_FILE, append
from reporting.draft import Draft, DraftStatus, Section
from reporting.files import (
    DRAFT_FILE,
    MAX_DRAFT_BYTES,
    REPORT_FILE,
    draft_json,
    read_draft,
    write_atomically,
)
from reporting.render import report_markdown

EDITS_FILE: Final = "edits.json"
MOST_ACTS: Final = 2_000


class EditBook(Frozen):
    """The machine's text and what a person did to it."""

    language: Language
    """In which it was drafted."""
    status: DraftStatus
    """That the machine's draft had."""
    versions: dict[Language, tuple[Section, ...]]
    acts: tuple[PersonAct, ...] = ()

    def report(self, draft: Draft) -> EditedReport:
        """The report as it stands."""
        return edited(self.versions, self.language, self.acts, draft.ledger)

    def notes(self, draft: Draft, has_prior: bool) -> tuple[Note, ...]:
        """What the acts brought about."""
        return self._read(draft, self.acts, has_prior)

    def tried(
        self, draft: Draft, act: PersonAct, has_prior: bool, told_in: Language | None = None
    ) -> tuple[Note, ...]:
        """What one more act would bring about, in the report's language or `told_in` another.

        Nothing is kept.
        """
        return self._read(draft, (*self.acts, act), has_prior, told_in)

    def _read(
        self,
        draft: Draft,
        acts: tuple[PersonAct, ...],
        has_prior: bool,
        told_in: Language | None = None,
    ) -> tuple[Note, ...]:
        spoken = tuple(act for act in acts if act.act is Act.TRANSLATE)
        report = edited(self.versions, self.language, acts, draft.ledger)
        drafted = edited(self.versions, self.language, spoken, draft.ledger)
        return read_edited(report, drafted, draft.ledger, has_prior, told_in)


def open_book(folder: Path) -> tuple[EditBook, Draft]:
    """The book of a draft's folder, empty where nobody has edited it, and the draft as it stands.

    Raises `ReportError` where a file cannot be read.
    """
    draft = read_draft(folder / DRAFT_FILE)
    path = folder / EDITS_FILE
    if not path.is_file():
        return EditBook(
            language=draft.language,
            status=draft.status,
            versions={draft.language: draft.sections},
        ), draft
    try:
        if path.stat().st_size > MAX_DRAFT_BYTES:
            raise ReportError("The file of edits is too large to be one this application wrote.")
        return EditBook.model_validate_json(path.read_bytes()), draft
    except (OSError, ValidationError):
        raise ReportError(
            "The edits of this draft cannot be read. Restore edits.json from a backup, or draft "
            "the study again."
        ) from None


def act_on(folder: Path, act: PersonAct, has_prior: bool, load: Callable[[], Study]) -> Draft:
    """Do one act on a draft and keep it. Returns the draft as it stands then.

    `load` brings the study, which only a translation needs.

    Raises:
        UserInputError: the report is signed, names no such sentence, or has too many acts.
        ReportError: the draft or its edits cannot be read.
    """
    book, draft = _open_to_edit(folder)
    if len(book.acts) >= MOST_ACTS:
        raise UserInputError(f"A report takes {MOST_ACTS} edits. Draft the study again.")
    if act.act is Act.TRANSLATE and act.language and act.language not in book.versions:
        original = draft.model_copy(update={"sections": book.versions[book.language]})
        versions = {**book.versions, act.language: translated(original, load(), act.language)}
        book = book.model_copy(update={"versions": versions})
    before = {line.sentence.id: line.sentence.text for line in book.report(draft).lines}
    if act.sentence is not None and act.sentence not in before:
        raise UserInputError("The report has no sentence of that number.")
    stamped = act.model_copy(update={"time": datetime.now(UTC).isoformat(timespec="milliseconds")})
    book = book.model_copy(update={"acts": (*book.acts, stamped)})
    append(
        folder / AUDIT_FILE,
        f"edit.{act.act.value}",
        {
            "number": len(book.acts),
            "sentence": act.sentence,
            "before": _digest(before.get(act.sentence or "")),
            "after": _digest(act.text),
            "language": act.language.value if act.language else None,
        },
    )
    return _keep(folder, book, draft, has_prior)


def undo(folder: Path, has_prior: bool) -> Draft:
    """Take the last act back. Raises as `act_on` does, and where there is none to undo."""
    book, draft = _open_to_edit(folder)
    if not book.acts:
        raise UserInputError("There is nothing to undo.")
    append(folder / AUDIT_FILE, "edit.undone", {"number": len(book.acts)})
    book = book.model_copy(update={"acts": book.acts[:-1]})
    return _keep(folder, book, draft, has_prior)


def forget_edits(folder: Path) -> None:
    """Forget what was done to an earlier draft; the audit log keeps that it was done."""
    (folder / EDITS_FILE).unlink(missing_ok=True)


def _open_to_edit(folder: Path) -> tuple[EditBook, Draft]:
    book, draft = open_book(folder)
    if draft.status is DraftStatus.SIGNED:
        raise UserInputError("The report is signed; it can no longer be changed.")
    return book, draft


def _keep(folder: Path, book: EditBook, draft: Draft, has_prior: bool) -> Draft:
    report = book.report(draft)
    doubtful = any(note.contradicts for note in book.notes(draft, has_prior))
    standing = draft.model_copy(
        update={
            "sections": report.sections(),
            "language": report.language,
            "status": DraftStatus.DRAFT if doubtful else book.status,
        }
    )
    write_atomically(folder / EDITS_FILE, book.model_dump_json(indent=1).encode())
    write_atomically(folder / REPORT_FILE, report_markdown(standing).encode())
    write_atomically(folder / DRAFT_FILE, draft_json(standing).encode())
    return standing


def _digest(text: str | None) -> str | None:
    return None if text is None else hashlib.sha256(text.encode()).hexdigest()
