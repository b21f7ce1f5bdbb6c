"""Lines of a review, and the statements of a report that they are about."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from findings.claims import Claim, Frozen
from findings.vocabulary import Finding, Side
from reporting.existing_report import ReadSentence


class ItemType(StrEnum):
    """What a line of the review says."""

    AGREED = "agreed"
    MISSED = "missed"
    UNSUPPORTED = "unsupported"
    WRONG_SIDE = "wrong_side"
    MEASUREMENT = "measurement"
    CONTRADICTION = "contradiction"
    NO_COMPARISON = "no_comparison"


class ItemSeverity(StrEnum):
    """How much it matters to the patient, were the review right."""

    LOW = "low"
    MODERATE = "moderate"
    HIGH = "high"


class ReviewItem(Frozen):
    """One line of the review."""

    type: ItemType
    finding: Finding | None = None
    side: Side | None = None
    sentence: str | None = None
    """The report's own sentence; `None` where the report says nothing of it."""
    severity: ItemSeverity = ItemSeverity.LOW
    evidence: tuple[str, ...] = ()
    reason: str = ""
    suggestion: str | None = None
    """A proposed wording, in the report's language."""


@dataclass(frozen=True)
class Said:
    """One atom that the report claims, and where."""

    claim: Claim
    sentence: ReadSentence


def sides_meet(one: Side | None, other: Side | None) -> bool:
    """Whether two statements may mean the same side."""
    return one is None or other is None or one is other
