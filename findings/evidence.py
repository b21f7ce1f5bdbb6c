"""Evidence: what one expert states about one study, in a form that others can cite by id.

Every item is frozen. Boxes are in display pixels of the image the item names: (x0, y0, x1, y1),
half-open, x to the right and y down as displayed; the patient's left lies on the display's right.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from findings.claims import Claim, Frozen, Measurement
from findings.regions import Region
from findings.vocabulary import Change, Finding, Plausible, Polarity, Side

Probability = Annotated[float, Field(ge=0.0, le=1.0)]
Box = tuple[float, float, float, float]


class RunLengthMask(Frozen):
    """A binary mask, losslessly packed: run lengths in row-major order, starting with zeros."""

    height: int = Field(ge=1, le=16384)
    width: int = Field(ge=1, le=16384)
    runs: tuple[int, ...]

    @model_validator(mode="after")
    def _covers_the_image(self) -> Self:
        if any(run < 0 for run in self.runs) or sum(self.runs) != self.height * self.width:
            raise ValueError("run lengths must be non-negative and cover the image exactly")
        return self


class _Evidence(Frozen):
    """What all evidence has in common."""

    id: str = Field(pattern=r"^E[1-9][0-9]*$", description="unique within one draft, stable")
    expert: str
    version: str
    image: int = Field(default=0, ge=0, description="index of the image in the study")
    finding: Finding | None = None
    probability: Probability | None = None
    side: Side | None = None
    region: Region | None = None
    box: Box | None = None
    mask: RunLengthMask | None = None
    text: str | None = None

    @field_validator("box")
    @classmethod
    def _box_has_extent(cls, box: Box | None) -> Box | None:
        if box is not None and (box[2] <= box[0] or box[3] <= box[1]):
            raise ValueError("a box needs x0 < x1 and y0 < y1")
        return box


class Classification(_Evidence):
    """An image-level calibrated probability of one finding, with the operating point in force."""

    kind: Literal["classification"] = "classification"
    finding: Finding
    probability: Probability
    threshold: Probability = Field(description="balanced operating point")
    sensitive_threshold: Probability = Field(description="below it: may be called absent")
    confident_threshold: Probability = Field(description="above it: called definite")
    plausible: Plausible | None = Field(
        default=None, description="answers that cannot be ruled out at the stated coverage"
    )
    screen: bool = Field(
        default=False,
        description="true where it holds for another kind of film than most are: it has no vote",
    )
    coverage: Probability | None = Field(
        default=None, description="share of cases whose conformal set holds the true answer"
    )


class Detection(_Evidence):
    """A finding with a box."""

    kind: Literal["detection"] = "detection"
    finding: Finding
    probability: Probability
    box: Box
    weak: bool = Field(default=False, description="true where the box comes from activation maps")


class RegionMask(_Evidence):
    """The mask (or the box) of an anatomical region, with a score of how far to trust it."""

    kind: Literal["region_mask"] = "region_mask"
    region: Region
    box: Box
    quality: Probability


class MeasurementEvidence(_Evidence):
    """A measurement taken on the image; where it bears on a finding, the finding is named."""

    kind: Literal["measurement"] = "measurement"
    measurement: Measurement
    polarity: Polarity | None = None
    standard_error: float | None = Field(
        default=None, gt=0, description="of the value, in its unit, where it has been measured"
    )
    landmarks: tuple[tuple[float, float], ...] = Field(
        default=(), description="end points in display pixels, pairwise the lines to draw"
    )


class Clue(_Evidence):
    """A disease clue retrieved for the image (TRRG, section 3.2)."""

    kind: Literal["clue"] = "clue"
    finding: Finding
    probability: Probability
    text: str


class CrudeSentence(_Evidence):
    """A sentence of the crude-report generator with the claims the labeler reads in it."""

    kind: Literal["crude_sentence"] = "crude_sentence"
    text: str
    claims: tuple[Claim, ...] = ()


class PriorFinding(_Evidence):
    """A finding of the prior study or prior report, with the change the comparer sees, if any."""

    kind: Literal["prior_finding"] = "prior_finding"
    finding: Finding
    polarity: Polarity
    change: Change | None = None
    text: str | None = None


class Neighbour(_Evidence):
    """A similar prior report. It steers wording and raises questions; it is never a vote."""

    kind: Literal["neighbour"] = "neighbour"
    report_id: str
    similarity: float
    language: str
    text: str
    findings: tuple[Finding, ...] = ()


Evidence = Annotated[
    Classification
    | Detection
    | RegionMask
    | MeasurementEvidence
    | Clue
    | CrudeSentence
    | PriorFinding
    | Neighbour,
    Field(discriminator="kind"),
]


class EvidenceKind(StrEnum):
    """The values of `kind`, for filters and displays."""

    CLASSIFICATION = "classification"
    DETECTION = "detection"
    REGION_MASK = "region_mask"
    MEASUREMENT = "measurement"
    CLUE = "clue"
    CRUDE_SENTENCE = "crude_sentence"
    PRIOR_FINDING = "prior_finding"
    NEIGHBOUR = "neighbour"
