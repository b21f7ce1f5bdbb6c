"""What a synthetic sample shall show, what it does show, and the sample itself."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Final, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from findings.claims import Frozen
from findings.regions import Region
from findings.vocabulary import Finding, Side
from imaging.study import View

GENERATOR_VERSION: Final = "1.0"

LungSide = Literal[Side.LEFT, Side.RIGHT]


class Zone(StrEnum):
    """A third of a lung's height."""

    UPPER = "upper"
    MID = "mid"
    LOWER = "lower"


class Extent(StrEnum):
    """How much of a hemithorax a finding takes."""

    SMALL = "small"
    MODERATE = "moderate"
    LARGE = "large"


class DeviceKind(StrEnum):
    """A line, tube or implant that the generator can place."""

    CENTRAL_VENOUS_CATHETER = "central_venous_catheter"
    PICC = "picc"
    NASOGASTRIC_TUBE = "nasogastric_tube"
    ENDOTRACHEAL_TUBE = "endotracheal_tube"
    PACEMAKER = "pacemaker"


class PleuralEffusion(Frozen):
    """Free fluid with a meniscus; small means a blunted costophrenic angle."""

    finding: Literal["pleural_effusion"] = "pleural_effusion"
    side: LungSide
    extent: Extent = Extent.MODERATE


class Nodule(Frozen):
    """One solid round nodule, in a zone or centred at a place in fractions of the frame."""

    finding: Literal["nodule"] = "nodule"
    side: LungSide
    zone: Zone = Zone.MID
    centre: tuple[float, float] | None = Field(
        default=None, description="x, y in fractions of the frame; must lie in the lung of `side`"
    )
    diameter_mm: float = Field(default=14.0, ge=4.0, le=30.0)


class Opacity(Frozen):
    """An airspace opacity with ill-defined margins."""

    finding: Literal["consolidation"] = "consolidation"
    side: LungSide
    zone: Zone = Zone.LOWER
    extent: Extent = Extent.MODERATE


class Pneumothorax(Frozen):
    """Air between lung and chest wall, with a visible pleural line."""

    finding: Literal["pneumothorax"] = "pneumothorax"
    side: LungSide
    extent: Extent = Extent.MODERATE


class Device(Frozen):
    """A device in its usual course; `side` is where it enters (of no effect for midline tubes)."""

    finding: Literal["support_device"] = "support_device"
    kind: DeviceKind
    side: LungSide = Side.RIGHT


SyntheticFinding = Annotated[
    PleuralEffusion | Nodule | Opacity | Pneumothorax | Device, Field(discriminator="finding")
]


class SampleRequest(Frozen):
    """One sample, wholly determined by these values.

    `seed` chooses the patient; `acquisition` the occasion (exposure, collimation, noise and date),
    so that a prior and a current film of one patient differ in that and in `findings`.
    A smaller `spacing_mm` at the same `size` means a smaller patient, not a closer view.
    """

    seed: int = Field(default=0, ge=0, lt=2**31)
    size: int = Field(default=1024, ge=512, le=2048, multiple_of=64)
    view: Literal[View.PA, View.AP] = View.PA
    spacing_mm: float | None = Field(
        default=None, gt=0.0, description="detector pixel pitch; default 358 mm over `size`"
    )
    cardiothoracic_ratio: float | None = Field(default=None, ge=0.36, le=0.70)
    sex: Literal["F", "M"] | None = None
    findings: tuple[SyntheticFinding, ...] = Field(default=(), max_length=8)
    laterality_marker: Literal["L", "R"] | None = "L"
    acquisition: int = Field(default=0, ge=0, le=99)

    @property
    def pixel_spacing_mm(self) -> float:
        """The pitch asked for, or the usual field of 358 mm divided by the size."""
        return self.spacing_mm if self.spacing_mm is not None else round(358.0 / self.size, 4)

    @model_validator(mode="after")
    def _is_possible(self) -> Self:
        field_mm = self.pixel_spacing_mm * self.size
        if not 240.0 <= field_mm <= 480.0:
            raise ValueError(
                f"{self.size} px of {self.pixel_spacing_mm} mm make a field of {field_mm:.0f} mm; "
                "an adult chest needs 240 to 480 mm."
            )
        pleural = [f.side for f in self.findings if isinstance(f, PleuralEffusion | Pneumothorax)]
        if len(pleural) != len(set(pleural)):
            raise ValueError("At most one effusion or pneumothorax can be shown on each side.")
        return self


class FindingTruth(Frozen):
    """One finding as it was drawn."""

    finding: Finding
    side: Side
    region: Region
    box: tuple[int, int, int, int] = Field(description="x0, y0, x1, y1 in pixels, half-open")
    mask: str = Field(description="its name in `SyntheticRadiograph.masks`")
    extent: Extent | None = None
    diameter_mm: float | None = None
    device: DeviceKind | None = None
    tip: tuple[float, float] | None = Field(default=None, description="x, y in pixels")


class SampleTruth(Frozen):
    """All that is known of a sample. Sides are the patient's; pixels are those of the image."""

    synthetic: Literal[True] = True
    generator_version: str = GENERATOR_VERSION
    seed: int
    acquisition: int
    size: int
    view: View
    sex: Literal["F", "M"]
    spacing_mm: float
    cardiothoracic_ratio: float = Field(description="heart over thorax width, both below")
    heart_width_px: int
    thorax_width_px: int
    laterality_marker: Literal["L", "R"] | None
    findings: tuple[FindingTruth, ...]


@dataclass(frozen=True, eq=False)
class SyntheticRadiograph:
    """A drawn film: 12-bit pixels in display order (bright is dense), its truth and masks.

    ``masks`` holds bool arrays of the image's shape under ``left_lung``, ``right_lung`` (lung not
    hidden by fluid), ``heart``, ``left_clavicle``, ``right_clavicle``, ``thorax`` (both lung
    fields with any fluid), and one per finding under the name that its truth gives.
    """

    request: SampleRequest
    pixels: NDArray[np.uint16]
    truth: SampleTruth
    masks: dict[str, NDArray[np.bool_]]
