"""Affine maps, boxes and polygons: inverses are exact, and maps agree with numpy on pixels."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imaging.geometry import (
    IDENTITY,
    Affine,
    Letterbox,
    bounding_box,
    box_area,
    box_iou,
    clip_box,
    corners,
    crop,
    flip_horizontal,
    flip_vertical,
    pad,
    polygon_area,
    quarter_turns,
    resize,
    rotation,
    transpose,
    turned_size,
)
from tests.imaging.conftest import untimed

sizes = st.tuples(st.integers(1, 4000), st.integers(1, 4000))
coordinates = st.floats(-5000, 5000)
points = st.tuples(coordinates, coordinates)
whole = st.integers(-3000, 3000)


@st.composite
def boxes(draw: st.DrawFn) -> tuple[float, float, float, float]:
    x0, y0 = draw(whole), draw(whole)
    return (
        float(x0),
        float(y0),
        float(x0 + draw(st.integers(1, 500))),
        float(y0 + draw(st.integers(1, 500))),
    )


@st.composite
def steps(draw: st.DrawFn) -> Affine:
    """Any chain of the elementary maps."""
    size = draw(sizes)
    chain = IDENTITY
    makers = st.sampled_from(
        [
            lambda: resize(size, draw(sizes)),
            lambda: crop(draw(boxes())),
            lambda: pad(draw(whole), draw(whole)),
            lambda: flip_horizontal(size),
            lambda: flip_vertical(size),
            lambda: quarter_turns(draw(st.integers(0, 3)), size),
            lambda: rotation(draw(st.floats(-180, 180)), size),
            transpose,
        ]
    )
    for make in draw(st.lists(makers, max_size=4)):
        chain = chain.then(make())
    return chain


def close(first: tuple[float, ...], second: tuple[float, ...], scale: float = 1.0) -> bool:
    return all(
        math.isclose(a, b, rel_tol=1e-6, abs_tol=1e-5 * scale)
        for a, b in zip(first, second, strict=True)
    )


@untimed
@given(steps(), points)
def test_inverse_undoes_any_chain(chain: Affine, point: tuple[float, float]) -> None:
    magnitude = max(1.0, *(abs(v) for v in chain.inverse().point((1.0, 1.0))))
    assert close(chain.inverse().point(chain.point(point)), point, magnitude)


@untimed
@given(steps(), steps(), points)
def test_then_is_one_after_the_other(
    first: Affine, second: Affine, point: tuple[float, float]
) -> None:
    expected = second.point(first.point(point))
    magnitude = max(1.0, *(abs(v) for v in expected))
    assert close(first.then(second).point(point), expected, magnitude)


@untimed
@given(boxes(), sizes, st.integers(-8, 8))
def test_lossless_maps_bring_boxes_back_to_the_bit(
    box: tuple[float, float, float, float], size: tuple[int, int], turns: int
) -> None:
    for there in (
        flip_horizontal(size),
        flip_vertical(size),
        quarter_turns(turns, size),
        crop(box),
        pad(7, 11),
        transpose(),
    ):
        assert there.inverse().box(there.box(box)) == box


@untimed
@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 3))
def test_maps_follow_numpy(width: int, height: int, turns: int) -> None:
    image = np.arange(width * height).reshape(height, width)
    size = (width, height)
    for moved, there in (
        (np.rot90(image, turns), quarter_turns(turns, size)),
        (np.fliplr(image), flip_horizontal(size)),
        (np.flipud(image), flip_vertical(size)),
        (image.T, transpose()),
    ):
        for row in range(height):
            for column in range(width):
                x, y = there.point((column + 0.5, row + 0.5))
                assert moved[math.floor(y), math.floor(x)] == image[row, column]
    assert np.rot90(image, turns).shape == turned_size(turns, size)[::-1]


@untimed
@given(sizes, sizes)
def test_letterbox_keeps_the_picture_inside_and_comes_back(
    source: tuple[int, int], frame: tuple[int, int]
) -> None:
    box = Letterbox.fit(source, frame)
    x0, y0, x1, y1 = box.to_frame.box((0.0, 0.0, float(source[0]), float(source[1])))
    assert x0 >= -1e-6 and y0 >= -1e-6
    assert x1 <= frame[0] + 1e-6 and y1 <= frame[1] + 1e-6
    assert close(box.to_source.point(box.to_frame.point((3.0, 5.0))), (3.0, 5.0))
    assert box.content[0] == frame[0] or box.content[1] == frame[1] or 1 in box.content


@untimed
@given(boxes(), boxes())
def test_overlap_is_symmetric_and_bounded(
    first: tuple[float, float, float, float], second: tuple[float, float, float, float]
) -> None:
    assert box_iou(first, second) == box_iou(second, first)
    assert 0 <= box_iou(first, second) <= 1
    assert box_iou(first, first) == 1


def test_overlap_of_known_boxes() -> None:
    assert box_iou((0, 0, 2, 2), (1, 0, 3, 2)) == pytest.approx(1 / 3)
    assert box_iou((0, 0, 1, 1), (1, 0, 2, 1)) == 0
    assert clip_box((-5, 2, 3, 9), (4, 4)) == (0, 2, 3, 4)
    assert clip_box((5, 5, 6, 6), (4, 4)) is None


@untimed
@given(boxes())
def test_box_corners_run_clockwise(box: tuple[float, float, float, float]) -> None:
    assert polygon_area(corners(box)) == box_area(box)
    assert bounding_box(corners(box)) == box


@untimed
@given(steps(), boxes())
def test_areas_grow_by_the_determinant(
    chain: Affine, box: tuple[float, float, float, float]
) -> None:
    area = polygon_area(chain.polygon(corners(box)))
    expected = chain.determinant * box_area(box)
    reach = max(abs(v) for point in chain.polygon(corners(box)) for v in point)
    assert area == pytest.approx(expected, rel=1e-3, abs=1e-9 * reach * reach + 1e-6)


def test_a_folding_map_has_no_inverse() -> None:
    with pytest.raises(ValueError, match="cannot be undone"):
        Affine(a=0.0, e=0.0).inverse()


def test_rotation_is_counter_clockwise_as_displayed() -> None:
    x, y = rotation(90, (10, 10)).point((10.0, 5.0))
    assert (x, y) == (pytest.approx(5.0), pytest.approx(0.0))
