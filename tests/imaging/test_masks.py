"""Masks: packing, outlines and filling give the same pixels back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from imaging.geometry import Affine, flip_horizontal, polygon_area, quarter_turns, turned_size
from imaging.masks import (
    box_mask,
    decode_mask,
    encode_mask,
    fill_polygons,
    mask_box,
    mask_iou,
    move_mask,
    outline,
)
from tests.imaging.conftest import untimed

masks = arrays(bool, array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=24))


@untimed
@given(masks)
def test_packing_is_lossless(mask: np.ndarray[Any, Any]) -> None:
    packed = encode_mask(mask)
    assert np.array_equal(decode_mask(packed), mask)
    assert decode_mask(type(packed).model_validate_json(packed.model_dump_json())).dtype == bool


@untimed
@given(masks)
def test_filling_the_outline_gives_the_mask(mask: np.ndarray[Any, Any]) -> None:
    rings = outline(mask)
    assert np.array_equal(fill_polygons(rings, (mask.shape[1], mask.shape[0])), mask)
    assert sum(polygon_area(ring) for ring in rings) == mask.sum()


@untimed
@given(masks, st.integers(0, 3))
def test_moving_there_and_back_is_exact(mask: np.ndarray[Any, Any], turns: int) -> None:
    size = (mask.shape[1], mask.shape[0])
    there = flip_horizontal(size).then(quarter_turns(turns, size))
    moved = move_mask(mask, there, turned_size(turns, size))
    assert np.array_equal(moved, np.rot90(np.fliplr(mask), turns))
    assert np.array_equal(move_mask(moved, there.inverse(), size), mask)


@untimed
@given(masks)
def test_the_box_is_tight(mask: np.ndarray[Any, Any]) -> None:
    box = mask_box(mask)
    if box is None:
        assert not mask.any()
        return
    x0, y0, x1, y1 = (int(v) for v in box)
    inside = mask[y0:y1, x0:x1]
    assert inside.sum() == mask.sum()
    assert inside[0].any() and inside[-1].any() and inside[:, 0].any() and inside[:, -1].any()
    assert np.array_equal(mask & box_mask(box, (mask.shape[1], mask.shape[0])), mask)


@untimed
@given(masks)
def test_overlap_with_itself(mask: np.ndarray[Any, Any]) -> None:
    assert mask_iou(mask, mask) == (1.0 if mask.any() else 0.0)
    assert mask_iou(mask, ~mask) == 0.0


def test_a_hole_is_an_outline_run_the_other_way() -> None:
    mask = np.ones((5, 5), dtype=bool)
    mask[2, 2] = False
    assert sorted(polygon_area(ring) for ring in outline(mask)) == [-1.0, 25.0]


def test_a_triangle_is_filled_by_pixel_centres() -> None:
    filled = fill_polygons([[(0.0, 0.0), (4.0, 0.0), (0.0, 4.0)]], (4, 4))
    # The centres on the slope itself are outside: an area is half-open to the right.
    assert filled.sum() == 6
    assert not filled[3, 3]


def test_scaling_a_mask_keeps_its_share() -> None:
    mask = box_mask((10, 20, 60, 70), (100, 100))
    moved = move_mask(mask, Affine(a=2.0, e=2.0), (200, 200))
    assert moved.sum() == 4 * mask.sum()


def test_what_cannot_be_packed_or_compared() -> None:
    with pytest.raises(ValueError, match="two-dimensional"):
        encode_mask(np.zeros((0, 3), dtype=bool))
    with pytest.raises(ValueError, match="different sizes"):
        mask_iou(np.zeros((2, 2), dtype=bool), np.zeros((2, 3), dtype=bool))
