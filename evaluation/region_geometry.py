"""Whether the derived regions lie where anatomy puts them, checked on people-made masks.

::

    python -m evaluation.region_geometry DATA

prints the tables of docs/measurements.md. DATA is laid out as the shared data. JSRT has lungs,
heart and clavicles, from which all regions follow. gbseg has lungs, and two landmarks that the
rules never see: the airways, whose lower end (the main bronchi) marks the level of the hila, and
the cardiomediastinum. No set here draws hila, angles or zones themselves.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from findings.evidence import Box
from findings.regions import CLALA_REGIONS, Region, region_side
from findings.vocabulary import Side
from imaging.geometry import box_area, box_intersection
from imaging.regions import ChestRegions, derive_regions
from imaging.study import Mask
from models.data.anatomy_cache import read_mask
from models.data.anatomy_sources import read_gbseg, read_jsrt
from models.data.records import AnatomyRecord, MaskKind

_SIDES: Final = (Side.LEFT, Side.RIGHT)
REGION_OF: Final = {
    MaskKind.LEFT_LUNG: Region.LEFT_LUNG,
    MaskKind.RIGHT_LUNG: Region.RIGHT_LUNG,
    MaskKind.HEART: Region.CARDIAC_SILHOUETTE,
    MaskKind.LEFT_CLAVICLE: Region.LEFT_CLAVICLE,
    MaskKind.RIGHT_CLAVICLE: Region.RIGHT_CLAVICLE,
}
_CORNER_REACH: Final = 12
"""Hull points on each side of a point, between which its angle is taken."""
_HULL_POINTS: Final = 200


@dataclass(frozen=True)
class RegionCheck:
    """One thing that must hold on a film, and whether it does."""

    name: str
    holds: bool


def drawn_masks(record: AnatomyRecord) -> dict[MaskKind, Mask]:
    """The people-made masks of a film."""
    return {kind: read_mask(path) for kind, path in record.masks.items()}


def check_regions(masks: Mapping[Region, Mask]) -> Iterator[RegionCheck]:
    """What must hold of the regions derived from lungs, heart and clavicles.

    Containment, order from above to below, sides, and the costophrenic window around the lung's
    own sharp lower corner, which is found on the lung's hull, not by the rule that places the
    window.
    """
    regions = derive_regions(masks)
    missing = [region for region in CLALA_REGIONS if regions.get(region) is None]
    yield RegionCheck("all eleven are placed", not missing)
    if missing or regions.midline is None:
        return
    box = {region: regions.placed[region].box for region in CLALA_REGIONS}
    heart, chest = box[Region.CARDIAC_SILHOUETTE], box[Region.MEDIASTINUM]
    upper = box[Region.UPPER_MEDIASTINUM]
    yield RegionCheck("the heart lies in the mediastinum", _share_within(heart, chest) > 0.99)
    yield RegionCheck(
        "the upper mediastinum lies in the mediastinum, above the heart",
        _share_within(upper, chest) > 0.99 and upper[3] <= heart[1],
    )
    yield RegionCheck(
        "the midline runs through both parts of the mediastinum",
        upper[0] < regions.midline < upper[2] and chest[0] < regions.midline < chest[2],
    )
    sided = [region for region in CLALA_REGIONS if region_side(region) in _SIDES]
    yield RegionCheck(
        "every region's middle lies on its own side",
        all(
            (_middle(box[region])[0] > regions.midline) == (region_side(region) is Side.LEFT)
            for region in sided
        ),
    )
    for side in _SIDES:
        yield from _check_side(regions, masks, side)
    left, right = box[Region.LEFT_HILUM], box[Region.RIGHT_HILUM]
    yield RegionCheck("the left hilum lies higher", _middle(left)[1] < _middle(right)[1])


def _check_side(
    regions: ChestRegions, masks: Mapping[Region, Mask], side: Side
) -> Iterator[RegionCheck]:
    lung, lower, hilum, angle = (
        Region(f"{side.value}_{part}")
        for part in ("lung", "lower_zone", "hilum", "costophrenic_angle")
    )
    box = {region: regions.placed[region].box for region in (lung, lower, hilum, angle)}
    whole = box[lung]
    yield RegionCheck("the lower zone lies in its lung", _share_within(box[lower], whole) > 0.99)
    mask = masks[lung]
    inside = float(_cut(mask, box[hilum]).mean())
    yield RegionCheck("the hilum lies across the lung's medial border", 0.2 < inside < 0.98)
    levels = [_middle(box[region])[1] for region in (hilum, lower, angle)]
    yield RegionCheck("hilum, lower zone, angle: from above to below", levels == sorted(levels))
    x, y = lung_corner(mask, side)
    x0, y0, x1, y1 = box[angle]
    yield RegionCheck(
        "the lung's sharp lateral corner lies in the costophrenic window",
        x0 <= x < x1 and y0 <= y < y1,
    )


def lung_corner(mask: Mask, side: Side) -> tuple[float, float]:
    """The sharpest point (x, y) of the lung's convex hull in its lower lateral quarter."""
    from scipy.spatial import ConvexHull

    rows, columns = np.nonzero(mask)
    points = np.column_stack([columns, rows]).astype(float)
    hull = points[ConvexHull(points).vertices]
    outline = _resample(hull, _HULL_POINTS)
    before = np.roll(outline, _CORNER_REACH, axis=0) - outline
    after = np.roll(outline, -_CORNER_REACH, axis=0) - outline
    cosine = (before * after).sum(1) / np.maximum(
        np.linalg.norm(before, axis=1) * np.linalg.norm(after, axis=1), 1e-9
    )
    middle = points.mean(0)
    lateral = outline[:, 0] > middle[0] if side is Side.LEFT else outline[:, 0] < middle[0]
    eligible = lateral & (outline[:, 1] > middle[1])
    sharpest = int(np.where(eligible, cosine, -np.inf).argmax())
    return float(outline[sharpest, 0]), float(outline[sharpest, 1])


def _resample(corners: npt.NDArray[np.float64], count: int) -> npt.NDArray[np.float64]:
    """Points at equal distances along a closed polygon."""
    closed = np.vstack([corners, corners[:1]])
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(closed, axis=0), axis=1))])
    places = np.linspace(0, along[-1], count, endpoint=False)
    columns = (np.interp(places, along, closed[:, axis]) for axis in (0, 1))
    return np.column_stack(list(columns))


@dataclass(frozen=True)
class LandmarkDistance:
    """How far landmarks that the rules never see lie from the regions, on one gbseg film.

    Shares of the lungs' height: airways' lower end below the middle of the nearer hilum's box
    (negative: above it). ``mediastinum`` is the share of the drawn cardiomediastinum's pixels in
    the mediastinum's box, ``airways`` that of the airways below the apices in its columns.
    """

    hilum: float
    hilum_holds_it: bool
    mediastinum: float
    airways: float


def landmark_distance(masks: Mapping[MaskKind, Mask]) -> LandmarkDistance | None:
    """Hold the regions of a gbseg film against its airways and cardiomediastinum.

    None where a lung or a landmark was not drawn. The lungs were drawn on behind the heart, so the
    cardiomediastinum is taken off them first.
    """
    wanted = (
        MaskKind.LEFT_LUNG,
        MaskKind.RIGHT_LUNG,
        MaskKind.AIRWAYS,
        MaskKind.CARDIOMEDIASTINUM,
    )
    if any(kind not in masks or not masks[kind].any() for kind in wanted):
        return None
    left, right, airways, centre = (masks[kind] for kind in wanted)
    regions = derive_regions({Region.LEFT_LUNG: left & ~centre, Region.RIGHT_LUNG: right & ~centre})
    hila = [regions.get(region) for region in (Region.LEFT_HILUM, Region.RIGHT_HILUM)]
    chest = regions.get(Region.MEDIASTINUM)
    if chest is None or hila[0] is None or hila[1] is None:
        return None
    lungs = [regions.placed[region].box for region in (Region.LEFT_LUNG, Region.RIGHT_LUNG)]
    height = max(box[3] for box in lungs) - min(box[1] for box in lungs)
    end = float(np.flatnonzero(airways.any(axis=1))[-1])
    boxes = [hilum.box for hilum in hila if hilum]
    gaps = [(end - _middle(box)[1]) / height for box in boxes]
    below = airways[int(chest.box[1]) :]
    x0, x1 = int(chest.box[0]), math.ceil(chest.box[2])
    return LandmarkDistance(
        hilum=min(gaps, key=abs),
        hilum_holds_it=any(box[1] <= end < box[3] for box in boxes),
        mediastinum=float(_cut(centre, chest.box).sum() / centre.sum()),
        airways=float(below[:, x0:x1].sum() / max(1, below.sum())),
    )


def _middle(box: Box) -> tuple[float, float]:
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2


def _share_within(inner: Box, outer: Box) -> float:
    return box_intersection(inner, outer) / box_area(inner)


def _cut(mask: Mask, box: Box) -> Mask:
    x0, y0, x1, y1 = (round(edge) for edge in box)
    return mask[y0:y1, x0:x1]


def main() -> None:
    """Check and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("data", type=Path)
    given = parser.parse_args()
    films = read_jsrt(given.data)
    held: dict[str, list[bool]] = {}
    shares: dict[Region, list[float]] = {}
    for record in films:
        masks = {REGION_OF[kind]: mask for kind, mask in drawn_masks(record).items()}
        for check in check_regions(masks):
            held.setdefault(check.name, []).append(check.holds)
        for region, placed in derive_regions(masks).placed.items():
            if region in CLALA_REGIONS:
                area = next(iter(masks.values())).size
                shares.setdefault(region, []).append(box_area(placed.box) / area)
    print(f"JSRT, people-made masks, {len(films)} films\n\n| check | holds |\n|---|---|")
    for name, values in held.items():
        print(f"| {name} | {sum(values)} of {len(values)} |")
    print("\n| region | box, share of the image: median (5 % to 95 %) |\n|---|---|")
    for region, own in shares.items():
        low, middle, high = np.percentile(own, [5, 50, 95])
        print(f"| {region.value} | {middle:.3f} ({low:.3f} to {high:.3f}) |")
    found = [
        distance
        for record in read_gbseg(given.data)
        if (distance := landmark_distance(drawn_masks(record))) is not None
    ]
    gaps = np.array([own.hilum for own in found])
    print(f"\ngbseg, people-made masks, {len(found)} films")
    print(
        f"airways' lower end against the middle of the nearer hilum: {gaps.mean():+.3f} of the "
        f"lungs' height (standard deviation {gaps.std():.3f}); within a hilum's rows on "
        f"{sum(own.hilum_holds_it for own in found)}"
    )
    for name, within in (
        ("cardiomediastinum in the mediastinum's box", [own.mediastinum for own in found]),
        ("airways below the apices in its columns", [own.airways for own in found]),
    ):
        low, middle = np.percentile(within, [5, 50])
        print(f"{name}: median {middle:.3f}, 5th percentile {low:.3f}")


if __name__ == "__main__":
    main()
