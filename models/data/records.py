"""What the readers hand over: one frozen record per radiograph, pixels still on disk."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path


class Split(StrEnum):
    """Which part of a data set a record belongs to."""

    TRAIN = "train"
    VAL = "val"
    TEST = "test"
    """Kept apart by the publishers for a final measurement: never trained on, never tuned to."""
    OTHER = "other"
    """Any other word, or none: measured on when all rows are asked for, never trained on."""

    @classmethod
    def _missing_(cls, value: object) -> Split:
        return cls.OTHER


class MaskKind(StrEnum):
    """What a mask file outlines. Sides are the patient's."""

    LEFT_LUNG = "left_lung"
    RIGHT_LUNG = "right_lung"
    HEART = "heart"
    LEFT_CLAVICLE = "left_clavicle"
    RIGHT_CLAVICLE = "right_clavicle"
    BOTH_LUNGS = "both_lungs"
    """Both lungs in one mask; which side is which is not said."""
    CARDIOMEDIASTINUM = "cardiomediastinum"
    """Heart and mediastinum together: no outline of the heart alone."""
    AIRWAYS = "airways"
    """Trachea and main bronchi, from the image's upper edge or the larynx on."""


@dataclass(frozen=True, slots=True)
class AnatomyRecord:
    """A radiograph with the masks that exist for it; a structure without a mask is unknown."""

    source: str
    image_id: str
    image: Path
    split: Split
    masks: dict[MaskKind, Path] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FindingRecord:
    """A radiograph with what its source says of some findings (target -> 0/1).

    A target is a canonical finding id, or the name of an auxiliary question to a network.
    """

    source: str
    image_id: str
    patient: str
    image: Path
    split: Split
    labels: dict[str, int]
    view: str
    note: str
    """What the data set's keepers remarked about this image; blank for nearly all."""
