"""What may be asked of the index of prior reports, and what it answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Self

from pydantic import Field, model_validator

from findings.claims import Claim, Frozen
from findings.evidence import Neighbour
from findings.vocabulary import Finding, Language
from retrieval.corpora.report import ReportView

EXPERT: Final = "retrieval"
"""The name under which neighbours are evidence."""

NEIGHBOUR_TEXT: Final = 2000
"""Characters of a neighbour's text that a draft carries."""


class Query(Frozen):
    """A search: by text, by claims, or by both."""

    text: str | None = Field(default=None, max_length=20_000)
    claims: tuple[Claim, ...] | None = None
    language: Language | None = Field(default=None, description="of the reports; None: any")
    text_language: Language | None = Field(
        default=None, description="of the text; None: as `language`, else English"
    )
    view: ReportView | None = None
    findings: tuple[Finding, ...] = Field(
        default=(), description="the reports affirm all of these, or a kind of each"
    )
    exclude_patient: str | None = Field(default=None, description="see `patient_key`")
    exclude_report: str | None = None
    k: int = Field(default=5, ge=1, le=100)
    floor: float = Field(default=0.35, ge=-1, le=1, description="least similarity")
    exact: bool = Field(default=False, description="search exhaustively; for measurements")

    @model_validator(mode="after")
    def _asks_something(self) -> Self:
        if not (self.text and self.text.strip()) and not self.claims:
            raise ValueError("a query needs a text or claims")
        return self

    @property
    def language_of_text(self) -> Language:
        """The language in which `text` is read."""
        return self.text_language or self.language or Language.ENGLISH


class Hit(Frozen):
    """One similar report."""

    report_id: str
    source: str
    language: Language
    text: str = Field(description="as shown to a person; untrusted, cleaned, bounded")
    similarity: float = Field(description="mean of those of the two similarities that were asked")
    profile_similarity: float | None
    text_similarity: float | None
    claims: tuple[Claim, ...]
    findings: tuple[Finding, ...] = Field(description="affirmed by the report")
    count: int = Field(ge=1, description="reports with this content")


def neighbours(hits: Sequence[Hit], first_number: int, version: str) -> tuple[Neighbour, ...]:
    """The hits as evidence, numbered on from `first_number`; `version` is the index's."""
    return tuple(
        Neighbour(
            id=f"E{first_number + offset}",
            expert=EXPERT,
            version=version,
            report_id=hit.report_id,
            similarity=hit.similarity,
            language=hit.language.value,
            text=hit.text[:NEIGHBOUR_TEXT],
            findings=hit.findings,
        )
        for offset, hit in enumerate(hits)
    )
