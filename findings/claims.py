"""A claim: one checkable statement about one finding, as read from or written into a report."""

from __future__ import annotations

from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

from findings.regions import Region
from findings.vocabulary import Certainty, Change, Finding, Polarity, Severity, Side


class Frozen(BaseModel):
    """Base of every value that crosses a boundary: immutable, closed, JSON-serialisable."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class SpacingProvenance(StrEnum):
    """Where the millimetres of a measurement come from (DICOM PS3.3 C.8.11.2, 10.7.1.3)."""

    CALIBRATED = "calibrated"
    """PixelSpacing that was corrected to the patient plane (calibration type given)."""
    DETECTOR = "detector"
    """ImagerPixelSpacing: at the detector, so patient sizes are magnified."""
    DETECTOR_CORRECTED = "detector_corrected"
    """ImagerPixelSpacing divided by a known radiographic magnification factor."""
    ASSUMED = "assumed"
    """Supplied by the user, not by the image."""
    NONE = "none"
    """No spacing known: ratios and pixels only."""


class Measurement(Frozen):
    """A measured quantity with its unit and how it came about."""

    name: str = Field(description="snake_case term, for example cardiothoracic_ratio")
    value: float
    unit: str = Field(description="UCUM: 1 (a ratio), mm, cm, %, {pixel}")
    method: str = ""
    provenance: SpacingProvenance = SpacingProvenance.NONE


class Claim(Frozen):
    """What a sentence asserts of one finding. `None` always means: not stated."""

    finding: Finding
    polarity: Polarity = Polarity.PRESENT
    certainty: Certainty = Certainty.DEFINITE
    side: Side | None = None
    region: Region | None = None
    severity: Severity | None = None
    change: Change | None = None
    measurement: Measurement | None = None

    @property
    def present(self) -> bool:
        """True where the claim affirms the finding."""
        return self.polarity is Polarity.PRESENT


class LabeledClaim(Claim):
    """A claim read from text, with the half-open character span of the words that carry it."""

    span: tuple[int, int]

    def without_span(self) -> Claim:
        """The claim alone, to be compared with claims that no text made."""
        return Claim(**{name: getattr(self, name) for name in Claim.model_fields})
