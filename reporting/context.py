"""What the phraser is told of a study besides its ledger."""

from __future__ import annotations

from pydantic import Field

from findings.claims import Frozen
from findings.vocabulary import Language
from imaging.study import Source, View
from reporting.draft import NamedMeasurement

MAX_INDICATION_CHARACTERS = 500


class ReportContext(Frozen):
    """Facts of the request and the picture that the report states; none of them is a finding."""

    language: Language = Language.ENGLISH
    view: View = View.UNKNOWN
    view_source: Source = Source.UNKNOWN
    """`GUESSED`: the technique says that the projection was estimated."""
    unread_views: tuple[View, ...] = ()
    """Projections of the study's further films, which no expert was given."""
    has_prior: bool = False
    """Whether there is anything to compare with; without it no change is written."""
    prior_report_only: bool = False
    """The comparison was with the words of a prior report, not with its images."""
    indication: str | None = None
    """As the referrer gave it; quoted, never read as a finding."""
    has_spacing: bool = True
    """Whether the image records its pixel spacing."""
    gate_warnings: tuple[str, ...] = ()
    """Codes of the input gate's warnings; those that bear on reading the film have a phrase."""
    measurements: tuple[NamedMeasurement, ...] = ()
    """Every measurement of the draft: numbers that a sentence may repeat."""
    seed: int = Field(default=0, description="chooses among equivalent wordings")
