"""What the MCP tools answer."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from agents.conversation.answer import Answer
from agents.room import StudyState
from findings.claims import Claim
from findings.vocabulary import Language
from reporting.draft import Draft, DraftStatus, SectionName, Writer
from reporting.review_items import ReviewItem


class _Shape(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class StudyShown(_Shape):
    """A study in the room."""

    id: str
    state: StudyState
    detail: str = ""


class StudyList(_Shape):
    """The studies in the room, the oldest first."""

    studies: tuple[StudyShown, ...]


class SentenceShown(_Shape):
    """A sentence of the report, what it claims, and the evidence that carries it."""

    id: str
    text: str
    claims: tuple[Claim, ...]
    evidence: tuple[str, ...]


class SectionShown(_Shape):
    """A section of the report."""

    name: SectionName
    sentences: tuple[SentenceShown, ...]


class DraftShown(_Shape):
    """A drafted report, or how far it has come."""

    study: StudyShown
    status: DraftStatus | None = Field(default=None, description="none: there is no draft yet")
    language: Language | None = None
    writer: Writer | None = None
    sections: tuple[SectionShown, ...] = ()
    warnings: tuple[str, ...] = ()
    experts_missing: tuple[str, ...] = ()
    notice: str = "Research use only. A machine's draft: look at the image."

    @classmethod
    def of(cls, study: StudyShown, draft: Draft) -> DraftShown:
        """The draft as a client reads it: the text with its evidence ids, without the evidence."""
        return cls(
            study=study,
            status=draft.status,
            language=draft.language,
            writer=draft.writer,
            sections=tuple(
                SectionShown(
                    name=section.name,
                    sentences=tuple(
                        SentenceShown(id=s.id, text=s.text, claims=s.claims, evidence=s.evidence)
                        for s in section.sentences
                    ),
                )
                for section in draft.sections
            ),
            warnings=draft.warnings,
            experts_missing=tuple(f"{note.role}: {note.detail}" for note in draft.experts),
        )


class EvidenceShown(_Shape):
    """Evidence of a draft, or of one expert; masks are left out."""

    evidence: tuple[dict[str, Any], ...]
    left_out: int = Field(default=0, description="items beyond the most that one answer holds")


class AnswerShown(_Shape):
    """An answer about a study."""

    answer: str
    details: Answer


class ReviewShown(_Shape):
    """The table of a report's review."""

    language: Language
    items: tuple[ReviewItem, ...]
    questions: tuple[str, ...]
