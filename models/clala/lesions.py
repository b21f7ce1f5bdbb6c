"""The fourteen lesions of CLALA-Net, and how a region and a lesion can stand to each other.

A film's labels tell what it shows, seldom where. What a claim says of one region is therefore one
of three things: the lesion is here, it is not here, or nobody said.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from findings.claims import Claim
from findings.regions import CLALA_REGIONS, Region, region_side
from findings.vocabulary import Finding, Side
from models.data.sentence_pool import Level, level_of, side_of

LESIONS: Final = (
    Finding.CARDIOMEGALY,
    Finding.EMPHYSEMA,
    Finding.PLEURAL_EFFUSION,
    Finding.HERNIA,
    Finding.NODULE,
    Finding.PNEUMOTHORAX,
    Finding.ATELECTASIS,
    Finding.PLEURAL_THICKENING,
    Finding.MASS,
    Finding.EDEMA,
    Finding.CONSOLIDATION,
    Finding.INFILTRATION,
    Finding.FIBROSIS,
    Finding.PNEUMONIA,
)
"""In the paper's order (implementation and training details)."""

_LUNG: Final = tuple(
    lesion for lesion in LESIONS if lesion not in (Finding.CARDIOMEGALY, Finding.HERNIA)
)
_BASE: Final = (
    Finding.NODULE,
    Finding.ATELECTASIS,
    Finding.MASS,
    Finding.CONSOLIDATION,
    Finding.INFILTRATION,
    Finding.FIBROSIS,
    Finding.PNEUMONIA,
)
SPOKEN_OF: Final[Mapping[Region, tuple[Finding, ...]]] = {
    Region.LEFT_LUNG: _LUNG,
    Region.RIGHT_LUNG: _LUNG,
    Region.LEFT_LOWER_ZONE: _BASE,
    Region.RIGHT_LOWER_ZONE: _BASE,
    Region.LEFT_HILUM: (Finding.MASS, Finding.EDEMA),
    Region.RIGHT_HILUM: (Finding.MASS, Finding.EDEMA),
    Region.MEDIASTINUM: (Finding.HERNIA, Finding.MASS),
    Region.UPPER_MEDIASTINUM: (Finding.MASS,),
    Region.LEFT_COSTOPHRENIC_ANGLE: (Finding.PLEURAL_EFFUSION,),
    Region.RIGHT_COSTOPHRENIC_ANGLE: (Finding.PLEURAL_EFFUSION,),
    Region.CARDIAC_SILHOUETTE: (Finding.CARDIOMEGALY,),
}
"""Which lesions a sentence about a region may state."""

WHOLE_LUNGS: Final = (Region.LEFT_LUNG, Region.RIGHT_LUNG)
_BASES: Final = (Region.LEFT_LOWER_ZONE, Region.RIGHT_LOWER_ZONE)
_ANGLES: Final = (Region.LEFT_COSTOPHRENIC_ANGLE, Region.RIGHT_COSTOPHRENIC_ANGLE)
_HILA: Final = (Region.LEFT_HILUM, Region.RIGHT_HILUM)


class Standing(StrEnum):
    """What an affirmed lesion of a film says of one region."""

    HERE = "here"
    ELSEWHERE = "elsewhere"
    UNKNOWN = "unknown"


def standing(claim: Claim, region: Region) -> Standing:
    """Whether an affirmed lesion lies in one of the eleven regions.

    Sides and heights decide; a heart and a hernia have one place; free fluid on a side blunts that
    side's angle; what is at no named height may or may not be at the base. A claim that names no
    side is of unknown place within both lungs.
    """
    if claim.finding not in SPOKEN_OF[region]:
        return Standing.ELSEWHERE
    if claim.finding in (Finding.CARDIOMEGALY, Finding.HERNIA):
        return Standing.HERE
    side, level = side_of(claim), level_of(claim.region)
    own = region_side(region)
    if own in (Side.LEFT, Side.RIGHT):
        if side is None:
            return Standing.UNKNOWN
        if side not in (own, Side.BILATERAL):
            return Standing.ELSEWHERE
        return _on_that_side(claim, region, level)
    if claim.region is not None:
        inside = claim.region in (Region.MEDIASTINUM, Region.UPPER_MEDIASTINUM)
        return Standing.HERE if inside else Standing.ELSEWHERE
    return Standing.UNKNOWN if side is None else Standing.ELSEWHERE


def _on_that_side(claim: Claim, region: Region, level: Level | None) -> Standing:
    if region in WHOLE_LUNGS or region in _ANGLES:
        return Standing.HERE
    if region in _BASES:
        if level is None:
            return Standing.UNKNOWN
        return Standing.HERE if level is Level.LOWER else Standing.ELSEWHERE
    if region in _HILA and claim.region is not None:
        named = str(claim.region)
        return Standing.HERE if "hil" in named else Standing.ELSEWHERE
    return Standing.UNKNOWN


def lesion_labels(claims: Sequence[Claim]) -> NDArray[np.bool_]:
    """Which of the fourteen lesions a film affirms, bool ``(14,)``."""
    present = {claim.finding for claim in claims if claim.present}
    return np.array([lesion in present for lesion in LESIONS], dtype=bool)


def region_labels(claims: Sequence[Claim]) -> NDArray[np.int8]:
    """What a film's claims say of each region and lesion: int8 ``(11, 14)``.

    1: the lesion is here; 0: it is not; -1: not known. What no claim affirms is taken to be absent
    only where a claim denies it; the rest is unknown.
    """
    labels = np.full((len(CLALA_REGIONS), len(LESIONS)), -1, dtype=np.int8)
    denied = {claim.finding for claim in claims if not claim.present and side_of(claim) is None}
    for row, region in enumerate(CLALA_REGIONS):
        for column, lesion in enumerate(LESIONS):
            standings = {
                standing(claim, region)
                for claim in claims
                if claim.present and claim.finding is lesion
            }
            if lesion not in SPOKEN_OF[region] or lesion in denied:
                labels[row, column] = 0
            elif Standing.HERE in standings:
                labels[row, column] = 1
            elif standings == {Standing.ELSEWHERE}:
                labels[row, column] = 0
    return labels
