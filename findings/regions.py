"""Anatomical regions of the frontal chest radiograph.

The first eleven are the regions of CLALA-Net (Sci Rep 2026, Methods: region detection); the
others are finer or coarser places that reports and experts name. Laterality is the patient's.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from findings.vocabulary import Side


class Region(StrEnum):
    """A place in the chest; ids are stable."""

    LEFT_LUNG = "left_lung"
    RIGHT_LUNG = "right_lung"
    LEFT_LOWER_ZONE = "left_lower_zone"
    RIGHT_LOWER_ZONE = "right_lower_zone"
    LEFT_HILUM = "left_hilum"
    RIGHT_HILUM = "right_hilum"
    MEDIASTINUM = "mediastinum"
    UPPER_MEDIASTINUM = "upper_mediastinum"
    LEFT_COSTOPHRENIC_ANGLE = "left_costophrenic_angle"
    RIGHT_COSTOPHRENIC_ANGLE = "right_costophrenic_angle"
    CARDIAC_SILHOUETTE = "cardiac_silhouette"

    LUNGS = "lungs"
    LEFT_UPPER_ZONE = "left_upper_zone"
    RIGHT_UPPER_ZONE = "right_upper_zone"
    LEFT_MID_ZONE = "left_mid_zone"
    RIGHT_MID_ZONE = "right_mid_zone"
    LEFT_APEX = "left_apex"
    RIGHT_APEX = "right_apex"
    UPPER_ZONES = "upper_zones"
    MID_ZONES = "mid_zones"
    LOWER_ZONES = "lower_zones"
    APICES = "apices"
    HILA = "hila"
    COSTOPHRENIC_ANGLES = "costophrenic_angles"
    LEFT_UPPER_LOBE = "left_upper_lobe"
    LEFT_LOWER_LOBE = "left_lower_lobe"
    LINGULA = "lingula"
    RIGHT_UPPER_LOBE = "right_upper_lobe"
    RIGHT_MIDDLE_LOBE = "right_middle_lobe"
    RIGHT_LOWER_LOBE = "right_lower_lobe"
    LEFT_PERIHILAR = "left_perihilar"
    RIGHT_PERIHILAR = "right_perihilar"
    PERIHILAR = "perihilar"
    RETROCARDIAC = "retrocardiac"
    AORTA = "aorta"
    TRACHEA = "trachea"
    CARINA = "carina"
    SUPERIOR_VENA_CAVA = "superior_vena_cava"
    RIGHT_ATRIUM = "right_atrium"
    LEFT_PLEURA = "left_pleura"
    RIGHT_PLEURA = "right_pleura"
    PLEURA = "pleura"
    FISSURE = "fissure"
    LEFT_HEMIDIAPHRAGM = "left_hemidiaphragm"
    RIGHT_HEMIDIAPHRAGM = "right_hemidiaphragm"
    DIAPHRAGM = "diaphragm"
    LEFT_CLAVICLE = "left_clavicle"
    RIGHT_CLAVICLE = "right_clavicle"
    RIBS = "ribs"
    SPINE = "spine"
    CHEST_WALL = "chest_wall"
    SOFT_TISSUE = "soft_tissue"
    SHOULDER = "shoulder"
    STOMACH = "stomach"
    ABDOMEN = "abdomen"


CLALA_REGIONS: Final[tuple[Region, ...]] = tuple(Region)[:11]
"""The eleven regions of CLALA-Net, in the paper's order."""

_MIDLINE: Final[frozenset[Region]] = frozenset(
    {
        Region.MEDIASTINUM,
        Region.UPPER_MEDIASTINUM,
        Region.CARDIAC_SILHOUETTE,
        Region.AORTA,
        Region.TRACHEA,
        Region.CARINA,
        Region.SPINE,
    }
)
_PAIRED: Final[dict[Region, tuple[Region, Region]]] = {
    Region.LUNGS: (Region.LEFT_LUNG, Region.RIGHT_LUNG),
    Region.UPPER_ZONES: (Region.LEFT_UPPER_ZONE, Region.RIGHT_UPPER_ZONE),
    Region.MID_ZONES: (Region.LEFT_MID_ZONE, Region.RIGHT_MID_ZONE),
    Region.LOWER_ZONES: (Region.LEFT_LOWER_ZONE, Region.RIGHT_LOWER_ZONE),
    Region.APICES: (Region.LEFT_APEX, Region.RIGHT_APEX),
    Region.HILA: (Region.LEFT_HILUM, Region.RIGHT_HILUM),
    Region.PERIHILAR: (Region.LEFT_PERIHILAR, Region.RIGHT_PERIHILAR),
    Region.PLEURA: (Region.LEFT_PLEURA, Region.RIGHT_PLEURA),
    Region.DIAPHRAGM: (Region.LEFT_HEMIDIAPHRAGM, Region.RIGHT_HEMIDIAPHRAGM),
    Region.COSTOPHRENIC_ANGLES: (
        Region.LEFT_COSTOPHRENIC_ANGLE,
        Region.RIGHT_COSTOPHRENIC_ANGLE,
    ),
}


def region_side(region: Region) -> Side | None:
    """The patient's side that a region lies on; `None` where the region names no side."""
    if region in _MIDLINE:
        return Side.MIDLINE
    if region in _PAIRED:
        return Side.BILATERAL
    if region is Region.LINGULA:
        return Side.LEFT
    if region in (Region.SUPERIOR_VENA_CAVA, Region.RIGHT_ATRIUM):
        return Side.MIDLINE
    for side in (Side.LEFT, Side.RIGHT):
        if region.value.startswith(f"{side.value}_"):
            return side
    return None


def sided_region(region: Region, side: Side) -> Region:
    """The member of a paired region on `side` (`LUNGS`, left → `LEFT_LUNG`); else `region`."""
    pair = _PAIRED.get(region)
    if pair is None or side not in (Side.LEFT, Side.RIGHT):
        return region
    return pair[0] if side is Side.LEFT else pair[1]


def paired_region(region: Region) -> Region | None:
    """The two-sided region that contains a one-sided one (`LEFT_LUNG` → `LUNGS`), if any."""
    return next((both for both, pair in _PAIRED.items() if region in pair), None)
