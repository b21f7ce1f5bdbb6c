"""Regions are placed where anatomy puts them, on drawn chests and on people-made masks."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from findings.regions import CLALA_REGIONS, Region, region_side
from findings.vocabulary import Side
from imaging.regions import derive_regions, locate, side_of
from imaging.study import Mask
from imaging.thorax import STRUCTURES, clean_masks, thoracic_midline
from tests.imaging.conftest import untimed

JSRT_NAMES = {
    "left_lung": Region.LEFT_LUNG,
    "right_lung": Region.RIGHT_LUNG,
    "heart": Region.CARDIAC_SILHOUETTE,
    "left_clavicle": Region.LEFT_CLAVICLE,
    "right_clavicle": Region.RIGHT_CLAVICLE,
}
ZONES = {
    Region.LEFT_LUNG: (Region.LEFT_UPPER_ZONE, Region.LEFT_MID_ZONE, Region.LEFT_LOWER_ZONE),
    Region.RIGHT_LUNG: (Region.RIGHT_UPPER_ZONE, Region.RIGHT_MID_ZONE, Region.RIGHT_LOWER_ZONE),
}
OTHER_SIDE = {Side.LEFT: Side.RIGHT, Side.RIGHT: Side.LEFT, Side.MIDLINE: Side.MIDLINE}


def ellipse(shape: tuple[int, int], x: float, y: float, rx: float, ry: float) -> Mask:
    """A filled ellipse; radii and centre in pixels."""
    rows, columns = np.mgrid[: shape[0], : shape[1]] + 0.5
    return np.asarray(((columns - x) / rx) ** 2 + ((rows - y) / ry) ** 2 <= 1.0)


def drawn_chest(size: int = 256, heart_shift: float = 0.06) -> dict[Region, Mask]:
    """Five structures drawn as ellipses; the patient's left on the right."""
    shape = (size, size)
    heart = ellipse(shape, (0.5 + heart_shift) * size, 0.68 * size, 0.17 * size, 0.16 * size)
    return {
        Region.LEFT_LUNG: ellipse(shape, 0.72 * size, 0.5 * size, 0.17 * size, 0.38 * size)
        & ~heart,
        Region.RIGHT_LUNG: ellipse(shape, 0.28 * size, 0.5 * size, 0.17 * size, 0.38 * size)
        & ~heart,
        Region.CARDIAC_SILHOUETTE: heart,
        Region.LEFT_CLAVICLE: ellipse(shape, 0.7 * size, 0.2 * size, 0.13 * size, 0.02 * size),
        Region.RIGHT_CLAVICLE: ellipse(shape, 0.3 * size, 0.2 * size, 0.13 * size, 0.02 * size),
    }


def mirrored(masks: Mapping[Region, Mask]) -> dict[Region, Mask]:
    """The same chest seen in a mirror, its structures renamed to the sides they then lie on."""
    return {other_side(region): mask[:, ::-1] for region, mask in masks.items()}


def other_side(region: Region) -> Region:
    """The region's counterpart on the other side."""
    side = region_side(region)
    if side not in (Side.LEFT, Side.RIGHT):
        return region
    return Region(region.value.replace(f"{side.value}_", f"{OTHER_SIDE[side].value}_", 1))


def jsrt_masks(folder: Path, film: str) -> dict[Region, Mask]:
    """The people-made masks of one film, 512×512."""
    return {
        region: np.asarray(Image.open(folder / "masks" / f"{film}_{name}.png")) > 127
        for name, region in JSRT_NAMES.items()
    }


def test_all_eleven_regions_are_placed_and_ordered() -> None:
    regions = derive_regions(drawn_chest())

    assert all(regions.get(region) is not None for region in CLALA_REGIONS)
    for left in (r for r in regions.placed if region_side(r) is Side.LEFT):
        right = other_side(left)
        assert regions.placed[left].box[0] > regions.placed[right].box[0]
    upper, whole = (regions.placed[r].box for r in (Region.UPPER_MEDIASTINUM, Region.MEDIASTINUM))
    assert upper[1] == whole[1] and upper[3] < whole[3]
    assert regions.placed[Region.LEFT_HILUM].box[1] < regions.placed[Region.RIGHT_HILUM].box[1]


def test_quality_is_the_least_of_what_a_region_rests_on() -> None:
    trust = {Region.LEFT_LUNG: 0.9, Region.RIGHT_LUNG: 0.7, Region.CARDIAC_SILHOUETTE: 0.4}
    regions = derive_regions(drawn_chest(), trust)

    assert regions.placed[Region.LEFT_MID_ZONE].quality == pytest.approx(0.9)
    assert regions.placed[Region.RIGHT_HILUM].quality == pytest.approx(0.7)
    assert regions.placed[Region.MEDIASTINUM].quality == pytest.approx(0.4)


@pytest.mark.parametrize("missing", STRUCTURES)
def test_a_missing_or_empty_structure_takes_only_its_own_regions(missing: Region) -> None:
    masks = drawn_chest()
    without = {region: mask for region, mask in masks.items() if region is not missing}
    empty = {**without, missing: np.zeros_like(masks[missing])}

    for regions in (derive_regions(without), derive_regions(empty)):
        assert regions.get(missing) is None
        if missing is Region.CARDIAC_SILHOUETTE:
            assert regions.placed[Region.MEDIASTINUM].quality < 1.0
        if missing is Region.LEFT_LUNG:
            assert regions.get(Region.LEFT_HILUM) is None
            assert regions.get(Region.RIGHT_HILUM) is not None
            assert regions.midline == pytest.approx(128.0)


def test_no_masks_at_all_give_no_regions() -> None:
    blank = {region: np.zeros((64, 64), dtype=bool) for region in STRUCTURES}

    for masks in ({}, blank):
        regions = derive_regions(masks)
        assert not regions.placed and regions.midline is None
        assert locate((1.0, 1.0), regions) is None
        assert side_of((1.0, 1.0, 9.0, 9.0), regions) is None


def test_further_outlines_give_their_own_regions_and_move_no_other() -> None:
    masks = drawn_chest()
    trachea = np.zeros_like(masks[Region.LEFT_LUNG])
    trachea[0:110, 122:134] = True
    centre = masks[Region.CARDIAC_SILHOUETTE] | ellipse((256, 256), 128, 128, 30, 90)
    outlined = {**masks, Region.TRACHEA: trachea, Region.MEDIASTINUM: centre}
    plain = derive_regions(masks)
    regions = derive_regions(outlined, {Region.MEDIASTINUM: 0.5})

    assert plain.get(Region.TRACHEA) is None
    assert regions.placed[Region.TRACHEA].box == (122.0, 0.0, 134.0, 110.0)
    whole, rule = regions.placed[Region.MEDIASTINUM], plain.placed[Region.MEDIASTINUM]
    assert whole.quality == 0.5 and rule.mask is None
    assert whole.mask is not None and np.array_equal(whole.mask, centre)
    assert all(whole.box[edge] <= rule.box[edge] for edge in (0, 1))
    assert all(whole.box[edge] >= rule.box[edge] for edge in (2, 3))
    others = plain.placed.keys() - {Region.MEDIASTINUM}
    assert all(regions.placed[region].box == plain.placed[region].box for region in others)


def test_masks_of_different_shapes_are_refused() -> None:
    masks = drawn_chest()
    masks[Region.LEFT_LUNG] = masks[Region.LEFT_LUNG][:100]
    with pytest.raises(ValueError, match="one shape"):
        derive_regions(masks)


def test_specks_are_dropped_and_lower_the_trust() -> None:
    masks = drawn_chest()
    speckled = masks[Region.LEFT_LUNG].copy()
    speckled[0:20, 0:20] = True
    cleaned = clean_masks({**masks, Region.LEFT_LUNG: speckled})[Region.LEFT_LUNG]

    assert np.array_equal(cleaned.mask, masks[Region.LEFT_LUNG])
    whole = np.count_nonzero(speckled)
    assert cleaned.quality == pytest.approx((whole - 400) / whole)


def test_a_lung_crossed_by_an_opacity_keeps_its_parts() -> None:
    masks = drawn_chest()
    crossed = masks[Region.RIGHT_LUNG].copy()
    crossed[120:134] = False
    whole, parts = derive_regions(masks), derive_regions({**masks, Region.RIGHT_LUNG: crossed})

    assert parts.placed.keys() == whole.placed.keys()
    for region in (Region.RIGHT_LUNG, Region.RIGHT_LOWER_ZONE, Region.RIGHT_COSTOPHRENIC_ANGLE):
        assert parts.placed[region].box == whole.placed[region].box
    assert parts.placed[Region.RIGHT_LUNG].quality == 1.0
    heart = masks[Region.CARDIAC_SILHOUETTE].copy()
    heart[170:174] = False
    halved = clean_masks({Region.CARDIAC_SILHOUETTE: heart})[Region.CARDIAC_SILHOUETTE]
    assert 0.4 < halved.quality < 0.7


def test_crossed_lungs_are_not_trusted() -> None:
    masks = {region: mask[:, ::-1] for region, mask in drawn_chest().items()}
    assert {placed.quality for placed in derive_regions(masks).placed.values()} == {0.0}


def test_the_base_of_a_shortened_lung_is_still_its_lower_zone() -> None:
    masks = drawn_chest()
    clear = derive_regions(masks)
    hidden = masks[Region.RIGHT_LUNG].copy()
    hidden[140:] = False
    regions = derive_regions({**masks, Region.RIGHT_LUNG: hidden})
    zone, before = (r.placed[Region.RIGHT_LOWER_ZONE] for r in (regions, clear))

    assert (zone.box[1], zone.box[3]) == (before.box[1], before.box[3])
    assert zone.quality < 1.0
    assert zone.mask is not None and not zone.mask.any()
    assert locate((50.0, 175.0, 100.0, 220.0), regions) is Region.RIGHT_LOWER_ZONE


@settings(untimed, max_examples=25)
@given(st.integers(96, 400), st.floats(-0.03, 0.12))
def test_a_mirrored_chest_has_mirrored_regions(size: int, heart_shift: float) -> None:
    masks = drawn_chest(size, heart_shift)
    regions, mirror = derive_regions(masks), derive_regions(mirrored(masks))

    assert mirror.midline == pytest.approx(size - (regions.midline or 0.0))
    assert {other_side(region) for region in regions.placed} == set(mirror.placed)
    for region, placed in regions.placed.items():
        x0, y0, x1, y1 = placed.box
        expected = (size - x1, y0, size - x0, y1)
        found = mirror.placed[other_side(region)].box
        if region in (Region.LEFT_HILUM, Region.RIGHT_HILUM):  # the left lies higher
            assert (found[2] - found[0]) == pytest.approx(x1 - x0, abs=0.05 * size)
        else:
            assert found == pytest.approx(expected)


@settings(untimed, max_examples=25)
@given(st.integers(96, 400), st.floats(-0.03, 0.12))
def test_zones_partition_the_lung(size: int, heart_shift: float) -> None:
    regions = derive_regions(drawn_chest(size, heart_shift))
    for lung, zones in ZONES.items():
        parts = [regions.placed[zone].mask for zone in zones]
        whole = regions.placed[lung].mask
        assert whole is not None and all(part is not None for part in parts)
        assert np.array_equal(np.sum(parts, axis=0), whole.astype(int))


@settings(untimed, max_examples=50)
@given(st.data())
def test_a_place_and_its_mirror_image_lie_on_opposite_sides(data: st.DataObject) -> None:
    size = 200
    masks = drawn_chest(size, 0.0)
    regions, mirror = derive_regions(masks), derive_regions(mirrored(masks))
    x0, y0 = data.draw(st.integers(0, 160)), data.draw(st.integers(0, 160))
    x1, y1 = x0 + data.draw(st.integers(1, 39)), y0 + data.draw(st.integers(1, 39))
    there = side_of((x0, y0, x1, y1), regions)
    back = side_of((size - x1, y0, size - x0, y1), mirror)

    assert back is (OTHER_SIDE.get(there, there) if there is not None else None)
    place = locate((x0, y0, x1, y1), regions)
    if there in (Side.LEFT, Side.RIGHT) and place is not None:
        assert region_side(place) in (there, Side.MIDLINE)


def test_boxes_over_both_lungs_are_bilateral() -> None:
    regions = derive_regions(drawn_chest())
    bases = (40.0, 160.0, 216.0, 210.0)

    assert side_of(bases, regions) is Side.BILATERAL
    assert locate((30.0, 40.0, 226.0, 90.0), regions) is Region.UPPER_ZONES
    assert locate((20.0, 20.0, 236.0, 230.0), regions) is Region.LUNGS
    assert locate((124.0, 60.0, 132.0, 90.0), regions) is Region.UPPER_MEDIASTINUM
    assert locate((143.0, 174.0), regions) is Region.CARDIAC_SILHOUETTE
    assert locate((185.0, 40.0), regions) is Region.LEFT_APEX
    assert locate((2.0, 250.0), regions) is None


@pytest.fixture(scope="module")
def jsrt(shared_data: Path) -> Path:
    """The JSRT films with people-made masks."""
    return shared_data / "jsrt"


def test_people_made_masks_give_every_region_in_its_place(jsrt: Path) -> None:
    with (jsrt / "split.csv").open(newline="") as file:
        films = [row["image"] for row in csv.DictReader(file) if row["split"] == "val"]
    for film in films:
        masks = jsrt_masks(jsrt, film)
        regions = derive_regions(masks)
        assert all(regions.get(region) is not None for region in CLALA_REGIONS), film
        assert regions.midline == thoracic_midline(clean_masks(masks))
        for region, placed in regions.placed.items():
            x0, y0, x1, y1 = placed.box
            assert 0 <= x0 < x1 <= 512 and 0 <= y0 < y1 <= 512
            side, middle = region_side(region), (x0 + x1) / 2
            assert regions.midline is not None
            if side is not Side.MIDLINE:
                assert (middle > regions.midline) == (side is Side.LEFT), (film, region)
        for lung, zones in ZONES.items():
            parts = [regions.placed[zone].mask for zone in zones]
            assert np.array_equal(np.sum(parts, axis=0), regions.placed[lung].mask.astype(int))
        heart = regions.placed[Region.CARDIAC_SILHOUETTE].box
        chest = regions.placed[Region.MEDIASTINUM].box
        assert chest[0] <= heart[0] and heart[2] <= chest[2] and heart[3] <= chest[3]


def test_nodules_lie_on_the_side_and_level_that_their_reports_give(jsrt: Path) -> None:
    """Side in every case; an upper-lobe nodule is never in a lower zone, nor the reverse."""
    levels: Counter[tuple[str, str]] = Counter()
    with (jsrt / "nodules.csv").open(newline="") as file:
        nodules = list(csv.DictReader(file))
    for nodule in nodules:
        regions = derive_regions(jsrt_masks(jsrt, nodule["image"]))
        x0, y0, x1, y1 = (float(nodule[key]) / 2 for key in ("x_min", "y_min", "x_max", "y_max"))
        said = Side.LEFT if nodule["location"].startswith("l") else Side.RIGHT
        place = locate((x0, y0, x1, y1), regions)
        assert side_of((x0, y0, x1, y1), regions) is said
        assert place is not None and region_side(place) in (said, Side.MIDLINE)
        lobe = next((word for word in ("upper", "lower") if word in nodule["location"]), "")
        level = next((word for word in ("upper", "apex", "lower") if word in place.value), "")
        levels[lobe, level] += 1

    assert len(nodules) == 110
    assert levels["upper", "upper"] + levels["upper", "apex"] >= 40
    assert levels["lower", "lower"] >= 10
    assert levels["upper", "lower"] == levels["lower", "upper"] == levels["lower", "apex"] == 0
