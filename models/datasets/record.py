"""The data set contract: one frozen record per radiograph, whatever data set it comes from.

Pixels stay on disk. Boxes are (x0, y0, x1, y1), half-open, x to the right and y down, in pixels of
the record's ``frame``; the patient's left lies on the image's right.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from findings.claims import Claim
from findings.evidence import Box
from findings.regions import Region
from findings.vocabulary import Finding, Language
from imaging.study import View
from models.data.records import MaskKind, Split

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class LabelState(StrEnum):
    """What a data set says of a finding in an image."""

    PRESENT = "present"
    ABSENT = "absent"
    UNCERTAIN = "uncertain"
    """The report hedges, or radiologists disagree."""
    UNKNOWN = "unknown"
    """Nobody looked, or nobody wrote it down: not a negative."""


class LabelOrigin(StrEnum):
    """Who made the labels of an image, and from what."""

    RADIOLOGISTS = "radiologists"
    """People who looked at the image."""
    REPORT_READERS = "report readers"
    """People who read the report or the case."""
    PROGRAM = "program"
    """A program that read the report; about one label in ten of such is wrong."""
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class FindingBox:
    """A box that a person or a program drew around a finding."""

    finding: Finding
    box: Box
    label: str
    """The data set's own word."""
    reader: str = ""
    """Id of the radiologist who drew it; blank where one is not told apart."""

    def __post_init__(self) -> None:
        if not (self.box[0] < self.box[2] and self.box[1] < self.box[3]):
            raise ValueError("a box needs x0 < x1 and y0 < y1")


@dataclass(frozen=True, slots=True)
class RegionBox:
    """A box around an anatomical region, with what the report says of findings there."""

    name: str
    """The data set's own word."""
    box: Box
    region: Region | None
    """None where the vocabulary has no such region."""
    labels: Mapping[Finding, LabelState] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Reading:
    """What one radiologist marked: the findings present, out of those asked about."""

    reader: str
    present: frozenset[Finding]


@dataclass(frozen=True, slots=True)
class ReportText:
    """A report as its publishers give it."""

    text: str
    language: Language
    stemmed: bool = False
    """Words were cut to their stems (PadChest): fit for matching, not for showing."""


@dataclass(frozen=True)
class Outline(ABC):
    """The mask of one structure or finding; decoded only when asked for."""

    structure: MaskKind | Finding

    @abstractmethod
    def read(self) -> NDArray[np.bool_]:
        """The mask, bool ``(height, width)``.

        Raises:
            StudyError: it cannot be decoded.
        """


@dataclass(frozen=True, slots=True)
class RadiographRecord:
    """One radiograph of a data set with everything its publishers say of it."""

    source: str
    """Name of the data set (`DatasetCard.name`), or of the folder within a collection."""
    image_id: str
    """Unique within the source."""
    image: Path
    patient: str
    """As text, leading zeros kept. Blank: the data set does not tell
    patients apart, and each image must be taken as a patient (`patient_key`)."""
    patient_pool: str = ""
    """Names the sources that share patients (and their ids); blank: this source alone."""
    study: str = ""
    view: View = View.UNKNOWN
    split: Split = Split.OTHER
    """As published, or as a table of splits says."""
    labels: Mapping[Finding, LabelState] = field(default_factory=lambda: MappingProxyType({}))
    """Only what the data set states; see `label`."""
    origin: LabelOrigin = LabelOrigin.UNKNOWN
    readings: tuple[Reading, ...] = ()
    """The radiologists one by one, where the data set has several."""
    boxes: tuple[FindingBox, ...] = ()
    boxed: frozenset[Finding] = frozenset()
    """Findings that were boxed wherever they were seen: for these, and for no others, an image
    without a box is an image without the finding."""
    regions: tuple[RegionBox, ...] = ()
    outlines: tuple[Outline, ...] = ()
    claims: tuple[Claim, ...] = ()
    """Labels with their places, where the data set gives places."""
    codes: tuple[str, ...] = ()
    """UMLS concept ids, where the data set gives them."""
    report: ReportText | None = None
    frame: tuple[int, int] | None = None
    """Width and height in pixels of the image that the boxes were drawn on; None: this file."""

    def label(self, finding: Finding) -> LabelState:
        """What the data set says of a finding; `UNKNOWN` where it says nothing."""
        return self.labels.get(finding, LabelState.UNKNOWN)

    def boxes_on(self, width: int, height: int) -> tuple[FindingBox, ...]:
        """The boxes in pixels of the image file, which is `width` × `height`.

        Boxes of a resized copy are scaled with it; without a `frame` they are the file's already.
        """
        if self.frame is None or self.frame == (width, height):
            return self.boxes
        across, down = width / self.frame[0], height / self.frame[1]
        return tuple(
            replace(
                own,
                box=(
                    own.box[0] * across,
                    own.box[1] * down,
                    own.box[2] * across,
                    own.box[3] * down,
                ),
            )
            for own in self.boxes
        )

    @property
    def patient_key(self) -> str:
        """The patient over all sources; the image itself where patients are not told apart."""
        if not self.patient:
            return f"{self.source}/image:{self.image_id}"
        return f"{self.patient_pool or self.source}/{self.patient}"
