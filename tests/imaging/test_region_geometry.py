"""The geometry checks themselves on drawn chests, and what they say of people-made masks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from evaluation.region_geometry import (
    check_regions,
    drawn_masks,
    landmark_distance,
    lung_corner,
)
from findings.regions import Region
from findings.vocabulary import Side
from models.data.anatomy_sources import read_gbseg, read_jsrt


def wedge() -> np.ndarray:
    """A left lung whose lateral lower corner is at column 80, row 90."""
    rows, columns = np.mgrid[:100, :100]
    return (columns >= 40) & (columns <= 80) & (rows >= 10) & (rows <= 60 + 0.75 * (columns - 40))


def test_the_corner_of_a_wedge_is_found_on_either_side() -> None:
    assert lung_corner(wedge(), Side.LEFT) == pytest.approx((80, 90), abs=3)
    assert lung_corner(wedge()[:, ::-1], Side.RIGHT) == pytest.approx((19, 90), abs=3)


def test_swapped_lungs_fail_the_checks() -> None:
    right, left = wedge()[:, ::-1], np.roll(wedge(), 0, axis=1)
    canvas = np.zeros((100, 200), dtype=bool)
    masks = {Region.RIGHT_LUNG: canvas.copy(), Region.LEFT_LUNG: canvas.copy()}
    masks[Region.RIGHT_LUNG][:, :100], masks[Region.LEFT_LUNG][:, 100:] = right, left
    heart = canvas.copy()
    heart[45:80, 85:130] = True
    masks[Region.CARDIAC_SILHOUETTE] = heart & ~left_and_right(masks)
    assert all(check.holds for check in check_regions(masks) if "hilum" not in check.name)
    swapped = {
        **masks,
        Region.LEFT_LUNG: masks[Region.RIGHT_LUNG],
        Region.RIGHT_LUNG: masks[Region.LEFT_LUNG],
    }
    assert not all(check.holds for check in check_regions(swapped))


def left_and_right(masks: dict[Region, np.ndarray]) -> np.ndarray:
    return masks[Region.LEFT_LUNG] | masks[Region.RIGHT_LUNG]


def test_people_made_masks_pass_the_checks(shared_data: Path) -> None:
    failed: dict[str, int] = {}
    films = read_jsrt(shared_data)[::15]
    for record in films:
        masks = {
            {"heart": Region.CARDIAC_SILHOUETTE}.get(kind.value) or Region(kind.value): mask
            for kind, mask in drawn_masks(record).items()
        }
        for check in check_regions(masks):
            failed[check.name] = failed.get(check.name, 0) + (not check.holds)
    assert len(failed) >= 10
    assert {name: count for name, count in failed.items() if count > 1} == {}


def test_landmarks_that_the_rules_never_saw_lie_in_their_regions(shared_data: Path) -> None:
    found = [landmark_distance(drawn_masks(record)) for record in read_gbseg(shared_data)[::8]]
    known = [distance for distance in found if distance is not None]
    assert len(known) >= 7
    assert abs(np.mean([own.hilum for own in known])) < 0.08
    assert np.median([own.mediastinum for own in known]) > 0.6
    assert np.median([own.airways for own in known]) > 0.9
