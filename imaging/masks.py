"""Binary masks: run-length packing, outlines, filling polygons, overlap, moving between frames.

Masks are bool arrays H×W. Outlines follow pixel edges, so filling an outline gives the mask back
exactly.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from findings.evidence import Box, RunLengthMask
from imaging.geometry import Affine, Point, Polygon, Size
from imaging.study import Mask


def encode_mask(mask: Mask) -> RunLengthMask:
    """Pack a mask losslessly: run lengths in row-major order, the first one of zeros.

    Raises:
        ValueError: the array is not two-dimensional or has no pixels.
    """
    if mask.ndim != 2 or mask.size == 0:
        raise ValueError("a mask is a two-dimensional array with at least one pixel")
    flat = np.asarray(mask, dtype=bool).ravel()
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    edges = np.concatenate(([0], changes, [flat.size]))
    runs = [int(run) for run in np.diff(edges)]
    if flat[0]:
        runs.insert(0, 0)
    return RunLengthMask(height=mask.shape[0], width=mask.shape[1], runs=tuple(runs))


def decode_mask(packed: RunLengthMask) -> Mask:
    """Unpack what `encode_mask` packed: a bool array, height × width."""
    runs = np.asarray(packed.runs, dtype=np.int64)
    values = np.arange(runs.size) % 2 == 1
    return np.repeat(values, runs).reshape(packed.height, packed.width)


def mask_box(mask: Mask) -> Box | None:
    """The smallest box of whole pixels around the mask, or `None` for an empty one."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if rows.size == 0:
        return None
    return float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1)


def mask_iou(first: Mask, second: Mask) -> float:
    """Intersection over union in [0, 1]; 0 where both are empty.

    Raises:
        ValueError: the masks differ in size.
    """
    if first.shape != second.shape:
        raise ValueError("masks of different sizes do not overlap in any defined way")
    union = int(np.count_nonzero(first | second))
    return int(np.count_nonzero(first & second)) / union if union else 0.0


def box_mask(box: Box, size: Size) -> Mask:
    """The pixels of an image of `size` whose centres lie in the box."""
    x0, y0, x1, y1 = box
    columns, rows = np.arange(size[0]) + 0.5, np.arange(size[1]) + 0.5
    return np.outer((rows >= y0) & (rows < y1), (columns >= x0) & (columns < x1))


def fill_polygons(polygons: Sequence[Sequence[Point]], size: Size) -> Mask:
    """The pixels of an image of `size` whose centres lie inside, by the even-odd rule.

    A polygon inside another one is therefore a hole. Crossing edges are allowed.
    """
    width, height = size
    crossings = np.zeros((height, width + 1), dtype=np.int32)
    for polygon in polygons:
        for (x0, y0), (x1, y1) in zip(polygon, [*polygon[1:], *polygon[:1]], strict=True):
            if y0 == y1:
                continue
            top, bottom = min(y0, y1), max(y0, y1)
            first = max(0, int(np.ceil(top - 0.5)))
            last = min(height, int(np.ceil(bottom - 0.5)))
            if first >= last:
                continue
            rows = np.arange(first, last)
            x = x0 + (rows + 0.5 - y0) * (x1 - x0) / (y1 - y0)
            columns = np.clip(np.ceil(x - 0.5), 0, width).astype(np.int64)
            np.add.at(crossings, (rows, columns), 1)
    inside = np.cumsum(crossings[:, :width], axis=1) % 2 == 1
    return np.asarray(inside, dtype=bool)


def outline(mask: Mask) -> tuple[Polygon, ...]:
    """Closed outlines of the mask along pixel edges, holes included.

    Outer borders run clockwise as displayed (positive `polygon_area`), holes counter-clockwise;
    `fill_polygons(outline(mask), size)` is the mask again.
    """
    padded = np.pad(np.asarray(mask, dtype=bool), 1)
    inner, above, left = padded[1:, 1:], padded[:-1, 1:], padded[1:, :-1]
    following: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for y, x in np.argwhere(inner != above):
        start, end = ((x, y), (x + 1, y)) if inner[y, x] else ((x + 1, y), (x, y))
        following.setdefault((int(start[0]), int(start[1])), []).append((int(end[0]), int(end[1])))
    for y, x in np.argwhere(inner != left):
        start, end = ((x, y + 1), (x, y)) if inner[y, x] else ((x, y), (x, y + 1))
        following.setdefault((int(start[0]), int(start[1])), []).append((int(end[0]), int(end[1])))

    polygons: list[Polygon] = []
    while following:
        start = next(iter(following))
        ring = [start]
        point, heading = start, (0, 0)
        while True:
            ends = following[point]
            # Where two pixels touch at a corner only, turn right: their borders stay apart.
            chosen = max(ends, key=lambda end: _right_turn(heading, point, end))
            ends.remove(chosen)
            if not ends:
                del following[point]
            heading = (chosen[0] - point[0], chosen[1] - point[1])
            point = chosen
            if point == start:
                break
            ring.append(point)
        polygons.append(_without_straight_corners(ring))
    return tuple(polygons)


def _right_turn(heading: tuple[int, int], point: tuple[int, int], end: tuple[int, int]) -> int:
    """1 for a right turn as displayed (y down), 0 straight on, −1 for a left turn."""
    return heading[0] * (end[1] - point[1]) - heading[1] * (end[0] - point[0])


def _without_straight_corners(ring: Sequence[tuple[int, int]]) -> Polygon:
    before, after = [ring[-1], *ring[:-1]], [*ring[1:], ring[0]]
    return tuple(
        (float(p[0]), float(p[1]))
        for o, p, q in zip(before, ring, after, strict=True)
        if (p[0] - o[0]) * (q[1] - p[1]) != (p[1] - o[1]) * (q[0] - p[0])
    )


def move_mask(mask: Mask, to_target: Affine, target: Size) -> Mask:
    """The mask as it lies in another frame: each target pixel takes the source pixel at its centre.

    Exact and reversible for flips, crops, pads and quarter turns; nearest neighbour otherwise.
    """
    back = to_target.inverse()
    columns, rows = np.meshgrid(np.arange(target[0]) + 0.5, np.arange(target[1]) + 0.5)
    x = np.floor(back.a * columns + back.b * rows + back.c).astype(np.int64)
    y = np.floor(back.d * columns + back.e * rows + back.f).astype(np.int64)
    inside = (x >= 0) & (x < mask.shape[1]) & (y >= 0) & (y < mask.shape[0])
    moved = np.zeros((target[1], target[0]), dtype=bool)
    moved[inside] = mask[y[inside], x[inside]]
    return moved
