"""The five anatomical masks of a frontal chest radiograph, made ready for geometry.

Cleaning (stray parts dropped, trust lowered), the outline of a lung row by row, and the
midline of the thorax. Left and right are the patient's; the patient's left lies on the display's
right.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt

from findings.evidence import Box
from findings.regions import Region
from findings.vocabulary import Side
from imaging.masks import mask_box
from imaging.study import Mask

STRUCTURES: Final[tuple[Region, ...]] = (
    Region.LEFT_LUNG,
    Region.RIGHT_LUNG,
    Region.CARDIAC_SILHOUETTE,
    Region.LEFT_CLAVICLE,
    Region.RIGHT_CLAVICLE,
)
"""The structures whose masks the regions are derived from."""

FURTHER_STRUCTURES: Final[tuple[Region, ...]] = (Region.TRACHEA, Region.MEDIASTINUM)
"""Structures that a segmenter may outline as well; only their own regions rest on them."""

_LUNGS: Final = (Region.LEFT_LUNG, Region.RIGHT_LUNG)
_MIN_SHARE: Final[Mapping[Region, float]] = {
    Region.LEFT_LUNG: 1e-3,
    Region.RIGHT_LUNG: 1e-3,
    Region.CARDIAC_SILHOUETTE: 1e-3,
    Region.LEFT_CLAVICLE: 1e-4,
    Region.RIGHT_CLAVICLE: 1e-4,
    Region.TRACHEA: 1e-3,
    Region.MEDIASTINUM: 1e-3,
}

HEART_ROWS: Final = (0.6, 0.97)
"""The part of the lung's height in which the heart's widest point is looked for."""
DIAPHRAGM_SLOPE: Final = 1.6
"""Columns per row by which the medial border runs outwards on the diaphragm, not on the heart."""
_LUNG_PART_SHARE: Final = 0.15
"""A lung crossed by an opacity may come in parts: those of at least this share of the largest one
are kept. Heart and clavicles come in one."""


@dataclass(frozen=True, eq=False)
class CleanMask:
    """A structure's mask without stray parts, with how far to trust it."""

    mask: Mask
    quality: float
    """The given quality times the share of the mask that was kept."""

    @cached_property
    def box(self) -> Box:
        """Half-open bounding box in display pixels."""
        box = mask_box(self.mask)
        assert box is not None, "a clean mask is never empty"
        return box


@dataclass(frozen=True, eq=False)
class LungOutline:
    """A lung's border row by row, with columns counted so that lateral is always up.

    For the left lung a column is the display's own; for the right lung it is mirrored (display
    width minus column), so that one rule serves both sides.
    """

    side: Side
    width: int
    """Of the image."""
    top: int
    medial: npt.NDArray[np.int64]
    """First column of the lung in each row from `top` on."""
    lateral: npt.NDArray[np.int64]
    """Half-open end column of the lung in each row from `top` on."""

    @classmethod
    def trace(cls, mask: Mask, side: Side) -> LungOutline:
        """Trace a mask; rows that a gap leaves empty take their border from their neighbours."""
        facing = mask if side is Side.LEFT else mask[:, ::-1]
        rows = np.flatnonzero(facing.any(axis=1))
        width = int(mask.shape[1])
        body = facing[rows]
        every = np.arange(rows[0], rows[-1] + 1)
        lateral = width - body[:, ::-1].argmax(axis=1)
        return cls(
            side=side,
            width=width,
            top=int(rows[0]),
            medial=np.rint(np.interp(every, rows, body.argmax(axis=1))).astype(np.int64),
            lateral=np.rint(np.interp(every, rows, lateral)).astype(np.int64),
        )

    @property
    def height(self) -> int:
        """Rows from the apex to the lowest point."""
        return len(self.medial)

    @property
    def bottom(self) -> int:
        """Half-open end row."""
        return self.top + self.height

    @property
    def breadth(self) -> int:
        """Columns from the most medial to the most lateral point."""
        return int(self.lateral.max() - self.medial.min())

    def rows(self, y0: float, y1: float) -> slice:
        """The image rows from `y0` to `y1` as indices into `medial` and `lateral`."""
        return slice(max(round(y0) - self.top, 0), max(round(y1) - self.top, 0))

    def corner(self) -> tuple[float, float]:
        """The lateral lower corner (column, row): the point furthest along the outward diagonal."""
        half = self.height // 2
        reach = self.lateral[half:] + np.arange(half, self.height)
        row = int(np.flatnonzero(reach == reach.max())[-1]) + half
        return float(self.lateral[row]), float(self.top + row + 1)

    def heart_border(self) -> tuple[float, float] | None:
        """The most lateral point (column, row) of the medial border where the heart forms it.

        Looked for in the lower part of the lung, above the row from which the border runs outwards
        faster than `DIAPHRAGM_SLOPE`: there the diaphragm begins. `None` where no such part is.
        """
        from scipy.ndimage import uniform_filter1d

        start, end = (int(share * self.height) for share in HEART_ROWS)
        smooth = uniform_filter1d(self.medial.astype(float), max(3, int(0.02 * self.height)))
        if end - start < 3:
            return None
        steep = np.flatnonzero(np.gradient(smooth)[start:end] > DIAPHRAGM_SLOPE)
        stop = start + int(steep[0]) if steep.size else end
        if stop <= start:
            return None
        row = start + int(self.medial[start:stop].argmax())
        return float(self.medial[row]), float(self.top + row) + 0.5

    def box(self, x0: float, y0: float, x1: float, y1: float) -> Box:
        """A box given in this lung's columns, in display columns."""
        if self.side is Side.LEFT:
            return (x0, y0, x1, y1)
        return (self.width - x1, y0, self.width - x0, y1)


def clean_masks(
    masks: Mapping[Region, Mask], quality: Mapping[Region, float] | None = None
) -> dict[Region, CleanMask]:
    """The usable ones of all structures in `masks`, each without its stray parts.

    `masks` are bool arrays, all H×W; `quality` is each mask's trust in [0, 1] (1 where not given).
    Structures that are missing, empty or too small to be anatomy are left out. Where the left lung
    does not lie on the display's right of the right lung, no side can be trusted and every quality
    is 0. Raises `ValueError` where the shapes differ.
    """
    shapes = {mask.shape for mask in masks.values()}
    if len(shapes) > 1 or any(len(shape) != 2 for shape in shapes):
        raise ValueError("the masks of one image must be two-dimensional and of one shape")
    trust = quality or {}
    cleaned: dict[Region, CleanMask] = {}
    for structure in (*STRUCTURES, *FURTHER_STRUCTURES):
        mask = masks.get(structure)
        if mask is None:
            continue
        whole = int(np.count_nonzero(mask))
        if whole < max(1.0, _MIN_SHARE[structure] * mask.size):
            continue
        least = _LUNG_PART_SHARE if structure in _LUNGS else 1.0
        kept, share = _main_parts(mask.astype(bool, copy=False), whole, least)
        score = min(max(trust.get(structure, 1.0), 0.0), 1.0) * share
        cleaned[structure] = CleanMask(kept, score)
    if _sides_are_crossed(cleaned):
        cleaned = {key: CleanMask(value.mask, 0.0) for key, value in cleaned.items()}
    return cleaned


def thoracic_midline(structures: Mapping[Region, CleanMask]) -> float | None:
    """Column of the thoracic midline: midway between the medial lung borders above the heart.

    The median over the upper half of both lungs; with one lung missing, midway between the medial
    ends of the clavicles; `None` where neither pair is there.
    """
    left, right = structures.get(Region.LEFT_LUNG), structures.get(Region.RIGHT_LUNG)
    if left is not None and right is not None:
        one = LungOutline.trace(left.mask, Side.LEFT)
        other = LungOutline.trace(right.mask, Side.RIGHT)
        y0 = max(one.top, other.top)
        y1 = min(one.top + one.height // 2, other.top + other.height // 2)
        if y1 > y0:
            right_border = other.width - other.medial[other.rows(y0, y1)]
            return float(np.median((one.medial[one.rows(y0, y1)] + right_border) / 2.0))
    else:
        left, right = structures.get(Region.LEFT_CLAVICLE), structures.get(Region.RIGHT_CLAVICLE)
    if left is None or right is None:
        return None
    return (left.box[0] + right.box[2]) / 2.0


def _main_parts(mask: Mask, whole: int, least: float) -> tuple[Mask, float]:
    """The parts of at least `least` of the largest one's size, and their share of the `whole`."""
    from scipy import ndimage

    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    window = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
    labels, count = ndimage.label(mask[window], structure=np.ones((3, 3), dtype=bool))
    if count == 1:
        return mask, 1.0
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    main = sizes >= least * sizes.max()
    main[0] = False
    if least >= 1.0:
        main = np.arange(sizes.size) == sizes.argmax()
    kept = np.zeros_like(mask)
    kept[window] = main[labels]
    return kept, float(sizes[main].sum() / whole)


def _sides_are_crossed(structures: Mapping[Region, CleanMask]) -> bool:
    left, right = structures.get(Region.LEFT_LUNG), structures.get(Region.RIGHT_LUNG)
    if left is None or right is None:
        return False
    return left.box[0] + left.box[2] <= right.box[0] + right.box[2]
