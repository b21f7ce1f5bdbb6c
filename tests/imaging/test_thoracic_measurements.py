"""Thoracic measurements: worked by hand on drawn chests, plausible on people-made masks."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from findings.claims import SpacingProvenance
from findings.regions import Region
from imaging.study import Mask, Spacing, View
from imaging.thoracic_measurements import (
    CARDIOTHORACIC_RATIO,
    ThoracicMeasurement,
    cardiothoracic_threshold,
    measure_thorax,
)
from tests.imaging.conftest import untimed


def block_chest(scale: int = 1) -> dict[Region, Mask]:
    """Rectangles on a 100×80 canvas, each pixel repeated `scale` times.

    Right lung: columns 10–40, rows 10–60. Left lung: columns 60–92, rows 10–70. Heart: columns
    35–71, rows 45–65, with its part over the lungs taken out of them.
    """
    canvas = np.zeros((80, 100), dtype=bool)
    heart, left, right = canvas.copy(), canvas.copy(), canvas.copy()
    heart[45:65, 35:71] = True
    right[10:60, 10:40] = True
    left[10:70, 60:92] = True
    masks = {
        Region.RIGHT_LUNG: right & ~heart,
        Region.LEFT_LUNG: left & ~heart,
        Region.CARDIAC_SILHOUETTE: heart,
    }
    grow = np.ones((scale, scale), dtype=bool)
    return {region: np.kron(mask, grow).astype(bool) for region, mask in masks.items()}


def mirrored(masks: Mapping[Region, Mask]) -> dict[Region, Mask]:
    """The chest in a mirror, lungs renamed to the sides they then lie on."""
    other = {
        Region.LEFT_LUNG: Region.RIGHT_LUNG,
        Region.RIGHT_LUNG: Region.LEFT_LUNG,
        Region.CARDIAC_SILHOUETTE: Region.CARDIAC_SILHOUETTE,
    }
    return {other[region]: mask[:, ::-1] for region, mask in masks.items()}


def by_name(taken: tuple[ThoracicMeasurement, ...]) -> dict[str, ThoracicMeasurement]:
    """Measurements by their names."""
    return {item.measurement.name: item for item in taken}


def values(
    masks: Mapping[Region, Mask], spacing: Spacing | None = None
) -> dict[str, tuple[float, str]]:
    """Value and unit by name."""
    return {
        name: (item.measurement.value, item.measurement.unit)
        for name, item in by_name(measure_thorax(masks, spacing)).items()
    }


def test_a_chest_worked_by_hand_in_pixels() -> None:
    found = values(block_chest())

    assert found["cardiothoracic_ratio"] == (pytest.approx(36 / 82), "1")
    assert found["cardiac_width"] == (36.0, "{pixel}")
    assert found["thoracic_width"] == (82.0, "{pixel}")
    assert found["right_lung_height"] == (50.0, "{pixel}")
    # The left lung goes on below the heart to row 70, so its dome lies there in every column.
    assert found["left_lung_height"] == (60.0, "{pixel}")
    assert found["right_lung_area"] == (30 * 50 - 5 * 15, "{pixel}")
    assert found["left_lung_area"] == (32 * 60 - 11 * 20, "{pixel}")
    assert found["hemidiaphragm_level_difference"] == (10.0, "{pixel}")
    assert found["lung_height_asymmetry"] == (pytest.approx(100 * 10 / 55), "%")


def test_lines_to_draw_end_on_the_borders_that_were_measured() -> None:
    ratio = by_name(measure_thorax(block_chest()))[CARDIOTHORACIC_RATIO]
    lines = list(zip(ratio.landmarks[::2], ratio.landmarks[1::2], strict=True))
    (right_border, middle), (same_middle, left_border), (outer_right, outer_left) = lines

    assert (right_border[0], left_border[0]) == (35.0, 71.0)
    assert middle[0] == same_middle[0] == 50.0
    assert (outer_right[0], outer_left[0]) == (10.0, 92.0)
    assert all(start[1] == end[1] for start, end in lines)
    assert 10 <= outer_right[1] < 60


@pytest.mark.parametrize(
    ("spacing", "words"),
    [
        (
            Spacing(row_mm=0.5, column_mm=0.25, provenance=SpacingProvenance.CALIBRATED),
            "calibrated to the patient",
        ),
        (
            Spacing(row_mm=0.5, column_mm=0.25, provenance=SpacingProvenance.DETECTOR),
            "unknown magnification",
        ),
        (
            Spacing(
                row_mm=0.5,
                column_mm=0.25,
                provenance=SpacingProvenance.DETECTOR_CORRECTED,
                magnification=1.1,
            ),
            "magnification of 1.1",
        ),
        (
            Spacing(row_mm=0.5, column_mm=0.25, provenance=SpacingProvenance.ASSUMED),
            "does not state",
        ),
    ],
)
def test_lengths_carry_unit_and_provenance_of_the_spacing(spacing: Spacing, words: str) -> None:
    found = values(block_chest(), spacing)
    assert found["cardiac_width"] == (pytest.approx(9.0), "mm")
    assert found["right_lung_height"] == (pytest.approx(25.0), "mm")
    assert found["hemidiaphragm_level_difference"] == (pytest.approx(5.0), "mm")
    assert found["left_lung_area"] == (pytest.approx(1700 * 0.125 / 100), "cm2")
    assert found["cardiothoracic_ratio"] == (pytest.approx(36 / 82), "1")

    taken = by_name(measure_thorax(block_chest(), spacing))
    assert taken["cardiac_width"].measurement.provenance is spacing.provenance
    assert words in taken["cardiac_width"].measurement.method
    assert taken[CARDIOTHORACIC_RATIO].measurement.provenance is SpacingProvenance.NONE


def test_what_rests_on_an_absent_structure_is_left_out() -> None:
    masks = block_chest()
    no_heart = {r: m for r, m in masks.items() if r is not Region.CARDIAC_SILHOUETTE}
    one_lung = {r: m for r, m in masks.items() if r is not Region.RIGHT_LUNG}

    assert "thoracic_width" in values(no_heart)
    assert set(values(one_lung)) == {"cardiac_width", "left_lung_height", "left_lung_area"}
    assert measure_thorax({}) == ()


def slanted_chest() -> dict[Region, Mask]:
    """Lungs whose medial borders run outwards by half a column per row in their lower half.

    On 100×100: rows 10–90; the right lung ends at column 40, the left begins at column 60, down to
    row 50; at row 87, the last one looked at, the borders stand 18 columns further out.
    """
    rows, columns = np.mgrid[:100, :100]
    out = np.clip((rows - 50) // 2, 0, None)
    inside = (rows >= 10) & (rows < 90)
    return {
        Region.RIGHT_LUNG: inside & (columns >= 5) & (columns < 40 - out),
        Region.LEFT_LUNG: inside & (columns >= 60 + out) & (columns < 95),
    }


@pytest.mark.parametrize("heart", [None, 0.49])
def test_without_a_sound_heart_its_borders_are_read_off_the_lungs(heart: float | None) -> None:
    masks, trust = slanted_chest(), {}
    if heart is not None:
        masks[Region.CARDIAC_SILHOUETTE] = np.zeros((100, 100), dtype=bool)
        masks[Region.CARDIAC_SILHOUETTE][60:70, 48:52] = True
        trust = {Region.CARDIAC_SILHOUETTE: heart}
    taken = by_name(measure_thorax(masks, quality=trust))
    ratio = taken[CARDIOTHORACIC_RATIO]

    assert ratio.indirect and taken["cardiac_width"].indirect
    assert ratio.measurement.value == pytest.approx((20 + 2 * 18) / 90, abs=0.03)
    assert ratio.quality == pytest.approx(0.8)
    assert "medial borders of the lungs" in ratio.measurement.method
    assert not taken["thoracic_width"].indirect


def test_a_shortened_lung_makes_the_ratio_less_trusted() -> None:
    masks = block_chest()
    hidden = masks[Region.RIGHT_LUNG].copy()
    hidden[40:] = False
    clear = by_name(measure_thorax(masks))[CARDIOTHORACIC_RATIO]
    opaque = by_name(measure_thorax({**masks, Region.RIGHT_LUNG: hidden}))[CARDIOTHORACIC_RATIO]
    assert opaque.quality < clear.quality == 1.0


def test_quality_is_the_least_of_the_structures() -> None:
    trust = {Region.CARDIAC_SILHOUETTE: 0.7, Region.LEFT_LUNG: 0.8, Region.RIGHT_LUNG: 0.9}
    taken = by_name(measure_thorax(block_chest(), quality=trust))
    assert taken[CARDIOTHORACIC_RATIO].quality == pytest.approx(0.7)
    assert taken["thoracic_width"].quality == pytest.approx(0.8)
    assert taken["right_lung_height"].quality == pytest.approx(0.9)


def test_the_limit_depends_on_the_view() -> None:
    assert cardiothoracic_threshold(View.PA) == cardiothoracic_threshold(View.UNKNOWN) == 0.50
    assert cardiothoracic_threshold(View.AP) == 0.55


@settings(untimed, max_examples=6)
@given(st.integers(1, 6))
def test_ratios_do_not_depend_on_the_image_size(scale: int) -> None:
    one, other = values(block_chest()), values(block_chest(scale))
    for name, (value, unit) in one.items():
        factor = {"1": 1, "%": 1, "{pixel}": scale**2 if name.endswith("area") else scale}[unit]
        assert other[name][0] == pytest.approx(value * factor)


def test_a_mirrored_chest_swaps_sides() -> None:
    one, other = values(block_chest()), values(mirrored(block_chest()))
    assert other["cardiothoracic_ratio"] == one["cardiothoracic_ratio"]
    assert other["left_lung_height"] == one["right_lung_height"]
    assert other["right_lung_area"] == one["left_lung_area"]
    for signed in ("hemidiaphragm_level_difference", "lung_height_asymmetry"):
        assert other[signed][0] == pytest.approx(-one[signed][0])


def test_people_made_masks_give_the_ratios_of_a_screening_population(shared_data: Path) -> None:
    """JSRT: the right dome is the higher one in nine of ten people."""
    names = {
        "left_lung": Region.LEFT_LUNG,
        "right_lung": Region.RIGHT_LUNG,
        "heart": Region.CARDIAC_SILHOUETTE,
    }
    folder = shared_data / "jsrt"
    with (folder / "split.csv").open(newline="") as file:
        films = [row["image"] for row in csv.DictReader(file)]
    spacing = Spacing(row_mm=0.7, column_mm=0.7, provenance=SpacingProvenance.DETECTOR)
    taken, off = [], []
    for film in films:
        masks = {
            region: np.asarray(Image.open(folder / "masks" / f"{film}_{name}.png")) > 127
            for name, region in names.items()
        }
        taken.append(values(masks, spacing))
        lungs = {r: m for r, m in masks.items() if r is not Region.CARDIAC_SILHOUETTE}
        on_lungs = values(lungs).get(CARDIOTHORACIC_RATIO)
        if on_lungs is not None:
            off.append(on_lungs[0] - taken[-1][CARDIOTHORACIC_RATIO][0])
    ratios = np.array([found["cardiothoracic_ratio"][0] for found in taken])
    levels = np.array([found["hemidiaphragm_level_difference"][0] for found in taken])
    widths = np.array([found["thoracic_width"][0] for found in taken])

    assert len(taken) == 180
    assert 0.46 < ratios.mean() < 0.49 and 0.04 < ratios.std() < 0.06
    assert ratios.min() > 0.30 and ratios.max() < 0.70
    assert 0.85 < (levels > 0).mean() < 0.97 and 10 < levels.mean() < 20
    assert 240 < widths.mean() < 320
    assert len(off) > 170 and np.abs(off).mean() < 0.025 and abs(np.median(off)) < 0.005
