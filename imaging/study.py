"""A study in memory: its images ready for display, and only the demographics that are needed.

A `Study` carries no patient identifiers: names, ids and dates stay in the file it came from.
Display pixels are float32 in [0, 1], H×W, bright = dense (MONOCHROME2 sense), upright, with the
patient's left on the display's right; they are computed once and shared read-only by everyone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from pydantic import Field

from findings.claims import Frozen, SpacingProvenance
from imaging.geometry import IDENTITY, Affine

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    FloatImage = npt.NDArray[np.float32]
    Mask = npt.NDArray[np.bool_]
else:
    FloatImage = Any
    Mask = Any


class View(StrEnum):
    """Projection of the radiograph (DICOM ViewPosition, PS3.3 C.8.7.1)."""

    PA = "PA"
    AP = "AP"
    LATERAL = "LATERAL"
    UNKNOWN = "UNKNOWN"


class Source(StrEnum):
    """How a property of an image became known."""

    TAG = "tag"
    GUESSED = "guessed"
    GIVEN = "given"
    UNKNOWN = "unknown"


class Spacing(Frozen):
    """Millimetres per display pixel (row spacing, column spacing) and where they come from."""

    row_mm: float = Field(gt=0)
    column_mm: float = Field(gt=0)
    provenance: SpacingProvenance
    magnification: float | None = Field(default=None, gt=0)


@dataclass(frozen=True, eq=False)
class StudyImage:
    """One image of a study, ready for experts and display."""

    display: FloatImage
    """float32 H×W in [0, 1], bright = dense; read-only."""
    view: View = View.UNKNOWN
    view_source: Source = Source.UNKNOWN
    spacing: Spacing | None = None
    to_stored: Affine = IDENTITY
    """From display pixels to the pixels as stored in the file (flips, turns, squared pixels)."""
    laterality_source: Source = Source.UNKNOWN
    modality: str | None = None
    body_part: str | None = None
    digest: str = ""
    """SHA-256 of the decoded stored pixels: identifies the picture without naming the patient."""
    bits_stored: int = 8
    inverted_source: bool = False
    """True where the stored pixels were MONOCHROME1 and were inverted for display."""
    colour_source: bool = False
    burned_in_annotation: bool | None = None
    """The tag BurnedInAnnotation, where present."""
    notes: tuple[str, ...] = ()
    """What the reader should know of how the picture was read (no patient data)."""

    @property
    def height(self) -> int:
        """Rows of the display image."""
        return int(self.display.shape[0])

    @property
    def width(self) -> int:
        """Columns of the display image."""
        return int(self.display.shape[1])


@dataclass(frozen=True, eq=False)
class Study:
    """One examination: at least one image, the frontal one first where there is one."""

    images: tuple[StudyImage, ...]
    study_key: str
    """Stable hash of the study's pixels; the id used in outputs and logs."""
    patient_age_years: int | None = None
    patient_sex: str | None = None
    """`F`, `M`, `O` or `None`."""
    indication: str | None = None
    """Given by the user (never logged)."""
    prior: Study | None = None
    prior_report: str | None = None
    warnings: tuple[str, ...] = ()
    extras: Mapping[str, str] = field(default_factory=dict)

    @property
    def frontal(self) -> StudyImage:
        """The image that is read."""
        return self.images[0]


class GateDecision(StrEnum):
    """What the input gate decides."""

    ACCEPT = "accept"
    WARN = "warn"
    REFUSE = "refuse"


class GateReason(Frozen):
    """One thing the gate saw: a stable code, one plain sentence, and a score where there is one."""

    code: str
    text: str
    severity: GateDecision
    score: float | None = None


class GateResult(Frozen):
    """The gate's decision on a study with every reason behind it."""

    decision: GateDecision
    reasons: tuple[GateReason, ...] = ()
