"""The regions of a frontal chest radiograph, as geometry on anatomical masks.

Given the lungs, the heart and the clavicles, this module places the eleven regions of CLALA-Net
(Sci Rep 2026, Methods: region detection; boxes there come from Chest ImaGenome) and the zones and
apices that reports name. The rules are those of frontal reading, written as fractions of the lung
so that they hold at any image size:

- Zones: each a third of the height of the lung, as zones are taught ("approximately one third of
  the height of the lungs", Radiology Masterclass, chest X-ray anatomy: lung zones). Where one lung
  is visibly shorter than `SHORT_LUNG` of the other, its levels are read off the other lung: a
  base hidden by fluid or collapse is still the lower zone.
- Apex: the lung above the middle of the clavicle; without a clavicle, the top `APEX_SHARE`.
- Hilum: at the medial border of the lung, around `HILUM_CENTRE` of its height (the left hilum
  usually lies a little higher than the right), a third of the lung's width deep.
- Costophrenic angle: a window at the lowest lateral corner of the lung.
- Cardiac silhouette: the heart.
- Upper mediastinum: between the medial borders of the lungs, from the apices to the top of the
  cardiac silhouette, which stands in for the plane of the sternal angle.
- Mediastinum: between the medial borders of the lungs, from the apices to the heart's lower edge,
  the heart included (as in Chest ImaGenome). Where heart and mediastinum were outlined in one, the
  box holds that outline too, and the outline is the region's mask.
- Trachea: its outline, where there is one.

Hila and angles are boxes only: their borders are not drawn by the masks. Left and right are the
patient's; the patient's left lies on the display's right.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from findings.evidence import Box
from findings.regions import Region, paired_region
from findings.vocabulary import Side
from imaging.geometry import box_area, box_intersection, clip_box
from imaging.study import Mask
from imaging.thorax import CleanMask, LungOutline, clean_masks, thoracic_midline

SHORT_LUNG: Final = 0.8
"""Below this share of the other lung's height, a lung takes its levels from the other."""
APEX_SHARE: Final = 0.12
"""Height of the apex where no clavicle is known (JSRT: median .10 with the clavicle)."""
HILUM_CENTRE: Final[Mapping[Side, float]] = {Side.LEFT: 0.42, Side.RIGHT: 0.46}
HILUM_HALF_HEIGHT: Final = 0.13
HILUM_DEPTH: Final = 0.35
"""Of the lung's width at that level, outwards from its medial border."""
HILUM_INSET: Final = 0.12
"""Of the lung's width at that level, from the medial border into the mediastinum."""
ANGLE_SIZE: Final = 0.4
"""Side of the costophrenic window, of the lung's width."""
ANGLE_MARGIN: Final = 0.25
"""Share of the costophrenic window that lies beyond the corner, outwards and downwards."""
FALLBACK: Final = 0.8
"""Quality factor of a region that had to be placed without one of its landmarks."""

LUNG_SHARE: Final = 0.25
"""A box with less of its area than this on lungs and heart is placed by the mediastinum's box."""
DOMINANT: Final = 0.6
"""Share of a box's lung that one zone must hold for the box to be said to lie in that zone."""
BOTH_SIDES: Final = 0.25
"""Share of a box's lung that each side must hold for the box to be bilateral."""

_LUNG: Final = {Side.LEFT: Region.LEFT_LUNG, Side.RIGHT: Region.RIGHT_LUNG}
_CLAVICLE: Final = {Side.LEFT: Region.LEFT_CLAVICLE, Side.RIGHT: Region.RIGHT_CLAVICLE}
_ZONES: Final[Mapping[Side, tuple[Region, Region, Region]]] = {
    Side.LEFT: (Region.LEFT_UPPER_ZONE, Region.LEFT_MID_ZONE, Region.LEFT_LOWER_ZONE),
    Side.RIGHT: (Region.RIGHT_UPPER_ZONE, Region.RIGHT_MID_ZONE, Region.RIGHT_LOWER_ZONE),
}
_APEX: Final = {Side.LEFT: Region.LEFT_APEX, Side.RIGHT: Region.RIGHT_APEX}
_HILUM: Final = {Side.LEFT: Region.LEFT_HILUM, Side.RIGHT: Region.RIGHT_HILUM}
_ANGLE: Final = {
    Side.LEFT: Region.LEFT_COSTOPHRENIC_ANGLE,
    Side.RIGHT: Region.RIGHT_COSTOPHRENIC_ANGLE,
}


@dataclass(frozen=True, eq=False)
class PlacedRegion:
    """One region on one image: its box in display pixels (half-open), its trust, its mask."""

    region: Region
    box: Box
    quality: float
    structure: Mask | None = field(default=None, repr=False)
    """The mask that the region is cut from; `None` for regions that are boxes only."""

    @property
    def mask(self) -> Mask | None:
        """The region's own pixels (bool, H×W), where the masks draw its border."""
        if self.structure is None:
            return None
        y0, y1 = int(self.box[1]), int(self.box[3])
        cut = np.zeros_like(self.structure)
        cut[y0:y1] = self.structure[y0:y1]
        return cut


@dataclass(frozen=True, eq=False)
class ChestRegions:
    """All regions that could be placed on one image."""

    height: int
    width: int
    midline: float | None
    """Column of the midline of the thorax; `None` where too little is known to say."""
    placed: Mapping[Region, PlacedRegion]

    def get(self, region: Region) -> PlacedRegion | None:
        """The placed region, or `None` where its structures are absent."""
        return self.placed.get(region)


def derive_regions(
    masks: Mapping[Region, Mask], quality: Mapping[Region, float] | None = None
) -> ChestRegions:
    """Place every region that the masks allow; see the module for the rules.

    Arguments and errors are those of `clean_masks`. A region's quality is the least quality of the
    structures it rests on, times `FALLBACK` where a landmark had to be done without.
    """
    structures = clean_masks(masks, quality)
    shape = next((mask.shape for mask in masks.values()), (0, 0))
    height, width = int(shape[0]), int(shape[1])
    placed: dict[Region, PlacedRegion] = {
        region: PlacedRegion(region, part.box, part.quality, part.mask)
        for region, part in structures.items()
    }
    outlines = {
        side: LungOutline.trace(structures[lung].mask, side)
        for side, lung in _LUNG.items()
        if lung in structures
    }
    for side, outline in outlines.items():
        _place_lung_regions(placed, structures, outlines, side, outline)
    _place_mediastinum(placed, structures, outlines, height)
    return ChestRegions(height, width, thoracic_midline(structures), placed)


def _levels(outlines: Mapping[Side, LungOutline], side: Side) -> tuple[int, int, bool]:
    """First and end row that a lung's zones divide, and whether the other lung gave them."""
    own = outlines[side]
    other = outlines.get(Side.RIGHT if side is Side.LEFT else Side.LEFT)
    if other is not None and own.height < SHORT_LUNG * other.height:
        return min(own.top, other.top), max(own.bottom, other.bottom), True
    return own.top, own.bottom, False


def _place_lung_regions(
    placed: dict[Region, PlacedRegion],
    structures: Mapping[Region, CleanMask],
    outlines: Mapping[Side, LungOutline],
    side: Side,
    outline: LungOutline,
) -> None:
    lung = structures[_LUNG[side]]
    top, bottom, borrowed = _levels(outlines, side)
    tall = bottom - top
    trust = lung.quality * (FALLBACK if borrowed else 1.0)
    cuts = [round(top + tall * share / 3) for share in range(4)]
    for region, y0, y1 in zip(_ZONES[side], cuts, cuts[1:], strict=False):
        zone = _slice_of_lung(region, lung.mask, outline, y0, y1, trust)
        if zone is not None:
            placed[region] = zone

    clavicle = structures.get(_CLAVICLE[side])
    share, apex_trust = APEX_SHARE, trust * FALLBACK
    if clavicle is not None:
        middle = (clavicle.box[1] + clavicle.box[3]) / 2
        if top < middle < top + tall / 3:
            share, apex_trust = (middle - top) / tall, min(trust, clavicle.quality)
    apex = _slice_of_lung(
        _APEX[side], lung.mask, outline, top, round(top + share * tall), apex_trust
    )
    if apex is not None:
        placed[apex.region] = apex

    hilum = _HILUM[side]
    upper = top + (HILUM_CENTRE[side] - HILUM_HALF_HEIGHT) * tall
    lower = top + (HILUM_CENTRE[side] + HILUM_HALF_HEIGHT) * tall
    rows = outline.rows(upper, lower)
    if outline.medial[rows].size:
        border = float(np.median(outline.medial[rows]))
        breadth = float(np.median(outline.lateral[rows])) - border
        box = outline.box(
            border - HILUM_INSET * breadth, upper, border + HILUM_DEPTH * breadth, lower
        )
        _place_window(placed, hilum, box, lung.mask, trust)

    angle = _ANGLE[side]
    x, y = outline.corner()
    if borrowed:
        y = float(bottom)
    size = ANGLE_SIZE * outline.breadth
    beyond = ANGLE_MARGIN * size
    box = outline.box(x + beyond - size, y + beyond - size, x + beyond, y + beyond)
    _place_window(placed, angle, box, lung.mask, trust)


def _place_window(
    placed: dict[Region, PlacedRegion], region: Region, box: Box, mask: Mask, quality: float
) -> None:
    inside = clip_box(box, (mask.shape[1], mask.shape[0]))
    if inside is not None:
        placed[region] = PlacedRegion(region, inside, quality)


def _slice_of_lung(
    region: Region, mask: Mask, outline: LungOutline, y0: int, y1: int, quality: float
) -> PlacedRegion | None:
    """The lung between two rows; where the lung does not reach there, its breadth stands in."""
    if y1 <= y0:
        return None
    rows = outline.rows(y0, y1)
    medial, lateral = outline.medial[rows], outline.lateral[rows]
    if medial.size == 0:
        medial, lateral = outline.medial, outline.lateral
    box = outline.box(float(medial.min()), float(y0), float(lateral.max()), float(y1))
    return PlacedRegion(region, box, quality, mask)


def _place_mediastinum(
    placed: dict[Region, PlacedRegion],
    structures: Mapping[Region, CleanMask],
    outlines: Mapping[Side, LungOutline],
    height: int,
) -> None:
    if len(outlines) < 2:
        return
    left, right = outlines[Side.LEFT], outlines[Side.RIGHT]
    tallest = max(left.height, right.height)
    top = min(left.top, right.top)
    heart = structures.get(Region.CARDIAC_SILHOUETTE)
    trust = min(structures[_LUNG[side]].quality for side in _LUNG)
    if heart is None:
        heart_top, bottom, trust = top + 0.45 * tallest, top + 0.9 * tallest, trust * FALLBACK
    else:
        heart_top, bottom = heart.box[1], heart.box[3]
        trust = min(trust, heart.quality)

    def borders(y0: float, y1: float) -> tuple[float, float] | None:
        one, other = left.medial[left.rows(y0, y1)], right.medial[right.rows(y0, y1)]
        if not one.size or not other.size:
            return None
        x0, x1 = left.width - float(np.median(other)), float(np.median(one))
        return (x0, x1) if x0 < x1 else None

    # The apices curve away from the mediastinum, so its borders are read below them.
    upper = borders(top + APEX_SHARE * tallest, heart_top)
    if upper is not None and heart_top > top:
        box = (upper[0], float(top), upper[1], float(heart_top))
        placed[Region.UPPER_MEDIASTINUM] = PlacedRegion(Region.UPPER_MEDIASTINUM, box, trust)
    whole = borders(top + APEX_SHARE * tallest, bottom)
    if whole is not None and bottom > top:
        x0, x1 = whole if upper is None else (min(whole[0], upper[0]), max(whole[1], upper[1]))
        box = (x0, float(top), x1, min(float(bottom), float(height)))
        if heart is not None:
            box = _around(box, (heart.box[0], box[1], heart.box[2], box[3]))
        outlined = structures.get(Region.MEDIASTINUM)
        if outlined is not None:
            box, trust = _around(box, outlined.box), min(trust, outlined.quality)
        placed[Region.MEDIASTINUM] = PlacedRegion(
            Region.MEDIASTINUM, box, trust, None if outlined is None else outlined.mask
        )


def _around(one: Box, other: Box) -> Box:
    """The smallest box that holds both."""
    low, high = zip(one[:2], other[:2], strict=True), zip(one[2:], other[2:], strict=True)
    (x0, y0), (x1, y1) = (min(pair) for pair in low), (max(pair) for pair in high)
    return (x0, y0, x1, y1)


def locate(place: Box | tuple[float, float], regions: ChestRegions) -> Region | None:
    """The region in which a box or a point (x, y) lies, in display pixels.

    The most specific one that holds most of it: an apex, a zone, a lung, a pair of zones or both
    lungs where it spans both sides, the cardiac silhouette, the upper mediastinum, the
    mediastinum. What lies on no mask, such as an effusion that hides the base, is placed by the
    boxes of the zones. `None` where it meets no region.
    """
    box = _as_box(place)
    area = box_area(box)
    lungs = {side: _overlap(_LUNG[side], box, regions) for side in _LUNG}
    heart = _overlap(Region.CARDIAC_SILHOUETTE, box, regions)
    lung = sum(lungs.values())
    if lung + heart < LUNG_SHARE * area:
        return _locate_by_boxes(box, area, regions)
    if heart > lung:
        return Region.CARDIAC_SILHOUETTE
    found = [
        _zone_of(side, box, lungs[side], regions)
        for side in _LUNG
        if lungs[side] >= BOTH_SIDES * lung and lungs[side] > 0
    ]
    if len(found) == 1:
        return found[0]
    pairs = {paired_region(region) for region in found}
    return pairs.pop() or Region.LUNGS if len(pairs) == 1 else Region.LUNGS


def side_of(box: Box, regions: ChestRegions) -> Side | None:
    """The patient's side on which a box lies; `None` where the image has no known midline.

    Bilateral where it holds a good part of both lungs; midline where it straddles the midline
    without doing so.
    """
    if regions.midline is None:
        return None
    to_left = min(max((box[2] - regions.midline) / (box[2] - box[0]), 0.0), 1.0)
    lungs = {side: _overlap(_LUNG[side], box, regions) for side in _LUNG}
    lung = sum(lungs.values())
    if lung > 0 and min(lungs.values()) >= BOTH_SIDES * lung:
        return Side.BILATERAL
    if to_left > 1 - BOTH_SIDES:
        return Side.LEFT
    if to_left < BOTH_SIDES:
        return Side.RIGHT
    return Side.MIDLINE


def _as_box(place: Box | tuple[float, float]) -> Box:
    if len(place) == 2:
        x, y = math.floor(place[0]), math.floor(place[1])
        return (float(x), float(y), float(x + 1), float(y + 1))
    return place


def _overlap(region: Region, box: Box, regions: ChestRegions) -> int:
    """Pixels of a region's mask inside a box (rounded outwards)."""
    placed = regions.get(region)
    if placed is None or placed.structure is None:
        return 0
    x0, x1 = max(math.floor(box[0]), 0), max(math.ceil(box[2]), 0)
    y0 = int(max(math.floor(box[1]), placed.box[1]))
    y1 = int(max(min(math.ceil(box[3]), placed.box[3]), y0))
    return int(np.count_nonzero(placed.structure[y0:y1, x0:x1]))


def _zone_of(side: Side, box: Box, lung: int, regions: ChestRegions) -> Region:
    for region in (_APEX[side], *_ZONES[side]):
        if _overlap(region, box, regions) >= DOMINANT * lung:
            return region
    return _LUNG[side]


def _locate_by_boxes(box: Box, area: float, regions: ChestRegions) -> Region | None:
    def share(region: Region) -> float:
        placed = regions.get(region)
        return 0.0 if placed is None else box_intersection(box, placed.box) / area

    for region in (Region.UPPER_MEDIASTINUM, Region.MEDIASTINUM):
        if share(region) >= DOMINANT:
            return region
    zones = [zone for side in _ZONES for zone in _ZONES[side]]
    best = max((*zones, Region.MEDIASTINUM), key=share)
    return best if share(best) > 0 else None
