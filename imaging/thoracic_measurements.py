"""Measurements of the chest on anatomical masks: cardiothoracic ratio, widths, heights, levels.

Definitions
- Cardiothoracic ratio (Danzer, Am J Med Sci 1919; 157:513): transverse cardiac diameter over
  internal thoracic diameter. The cardiac diameter is the sum of the greatest distances of the
  right and of the left heart border from the midline, which is the heart's full horizontal
  extent. The thoracic diameter is the greatest distance between the outer lung borders (the inner
  rib margins) along one row; on upright films that row lies near the domes of the diaphragm.
- Where the heart's own mask is missing or doubtful, its borders are read off the medial borders of
  the lungs, which it forms in their lower part; such a measurement is marked indirect.
- Dome of a hemidiaphragm: the highest point of the lower border of lung and heart together, in
  the middle part of the lung's breadth. Taking the heart along closes the lung's lower border
  where the heart lies in front of it.
- Lung height: from the apex to the level of the dome. Lung area: the pixels of the lung's mask.
- Hemidiaphragm level difference: positive where the right dome is the higher one.

Ratios need no spacing. Lengths and areas are in millimetres and square centimetres only where the
image's spacing is known, and carry its provenance; else they are in pixels. Lengths at the
detector plane are larger than the patient's by the radiographic magnification.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from findings.claims import Measurement, SpacingProvenance
from findings.regions import Region
from findings.vocabulary import Side
from imaging.geometry import Point
from imaging.study import Mask, Spacing, View
from imaging.thorax import CleanMask, LungOutline, clean_masks, thoracic_midline

CARDIOTHORACIC_RATIO: Final = "cardiothoracic_ratio"
CARDIAC_WIDTH: Final = "cardiac_width"
THORACIC_WIDTH: Final = "thoracic_width"
LUNG_HEIGHT_ASYMMETRY: Final = "lung_height_asymmetry"
HEMIDIAPHRAGM_LEVEL_DIFFERENCE: Final = "hemidiaphragm_level_difference"

PA_THRESHOLD: Final = 0.50
"""Upper limit of the cardiothoracic ratio on a PA film (Truszkiewicz, J Clin Med 2021; 10:2016)."""
AP_THRESHOLD: Final = 0.55
"""Upper limit on an AP film, which magnifies the heart: Chon (J Korean Med Sci 2011; 26:1446) finds
PA/AP cardiac diameters of 0.00099 × distance in cm + 0.79, so 0.50 becomes 0.56 at one metre."""

DOME_BAND: Final = (0.15, 0.85)
"""The part of a lung's breadth in which its dome is looked for."""
DOUBTFUL_HEART: Final = 0.5
"""Below this quality the heart's mask is not measured on."""
INDIRECT: Final = 0.8
"""Quality factor of what is read off the lungs for want of the heart's mask."""
SHORT_LUNG: Final = 0.7
TRUNCATED: Final = 0.6
"""Quality factor of the ratio where one lung is shorter than `SHORT_LUNG` of the other, so that
the widest row may miss the thorax's true width."""


@dataclass(frozen=True)
class ThoracicMeasurement:
    """A measurement with the lines that show it, and how far to trust it."""

    measurement: Measurement
    landmarks: tuple[Point, ...]
    """End points in display pixels, pairwise the lines to draw."""
    quality: float
    side: Side | None = None
    indirect: bool = False
    """True where the heart's borders were read off the lungs."""


def cardiothoracic_threshold(view: View) -> float:
    """The upper limit of the normal ratio for a view; the PA limit where the view is unknown."""
    return AP_THRESHOLD if view is View.AP else PA_THRESHOLD


def measure_thorax(
    masks: Mapping[Region, Mask],
    spacing: Spacing | None = None,
    quality: Mapping[Region, float] | None = None,
) -> tuple[ThoracicMeasurement, ...]:
    """Take every measurement that the masks of lungs and heart allow.

    `masks` (bool, H×W, one shape) and `quality` are those of `imaging.thorax.clean_masks`; what
    rests on an absent structure is left out. Raises `ValueError` where the shapes differ.
    """
    return _Thorax(clean_masks(masks, quality), _Scale(spacing)).all()


@dataclass(frozen=True)
class _Scale:
    """Turns pixels into the units that the spacing allows."""

    spacing: Spacing | None

    def length(self, name: str, pixels: float, *, across: bool, method: str) -> Measurement:
        if self.spacing is None:
            return Measurement(name=name, value=pixels, unit="{pixel}", method=method)
        step = self.spacing.column_mm if across else self.spacing.row_mm
        return self._with_provenance(name, pixels * step, "mm", method)

    def area(self, name: str, pixels: int, method: str) -> Measurement:
        if self.spacing is None:
            return Measurement(name=name, value=float(pixels), unit="{pixel}", method=method)
        square = self.spacing.row_mm * self.spacing.column_mm / 100.0
        return self._with_provenance(name, pixels * square, "cm2", method)

    def _with_provenance(self, name: str, value: float, unit: str, method: str) -> Measurement:
        assert self.spacing is not None
        return Measurement(
            name=name,
            value=value,
            unit=unit,
            method=f"{method}; {self._plane()}",
            provenance=self.spacing.provenance,
        )

    def _plane(self) -> str:
        assert self.spacing is not None
        factor = self.spacing.magnification
        match self.spacing.provenance:
            case SpacingProvenance.CALIBRATED:
                return "calibrated to the patient"
            case SpacingProvenance.DETECTOR_CORRECTED:
                return "detector plane corrected" + (
                    f" for a magnification of {factor:g}" if factor else " for magnification"
                )
            case SpacingProvenance.DETECTOR:
                return "at the detector plane, so larger than the patient's" + (
                    f" by a factor of {factor:g}" if factor else " by an unknown magnification"
                )
            case _:
                return "by a spacing that the image does not state"


@dataclass(frozen=True)
class _HeartBorders:
    """The heart's right and left border, as the two lines that join them to the midline."""

    lines: tuple[Point, Point, Point, Point]
    quality: float
    indirect: bool
    method: str


@dataclass(frozen=True)
class _Thorax:
    """The cleaned structures of one image, measured."""

    structures: Mapping[Region, CleanMask]
    scale: _Scale

    def all(self) -> tuple[ThoracicMeasurement, ...]:
        heights = {side: self._height(side) for side in (Side.RIGHT, Side.LEFT)}
        areas = [self._area(side) for side in (Side.RIGHT, Side.LEFT)]
        taken = [
            *self._widths(),
            *heights.values(),
            *areas,
            self._asymmetry(heights[Side.LEFT], heights[Side.RIGHT]),
            self._level_difference(),
        ]
        return tuple(item for item in taken if item is not None)

    def _lung(self, side: Side) -> CleanMask | None:
        return self.structures.get(Region.LEFT_LUNG if side is Side.LEFT else Region.RIGHT_LUNG)

    def _trusted_heart(self) -> CleanMask | None:
        heart = self.structures.get(Region.CARDIAC_SILHOUETTE)
        return heart if heart is not None and heart.quality >= DOUBTFUL_HEART else None

    def _widths(self) -> list[ThoracicMeasurement]:
        """Cardiothoracic ratio, cardiac width, thoracic width: what there is of them."""
        taken: list[ThoracicMeasurement] = []
        thorax, heart = self._thoracic_line(), self._heart()
        wide = 0.0 if thorax is None else thorax[0][1][0] - thorax[0][0][0]
        if heart is not None:
            across = heart.lines[3][0] - heart.lines[0][0]
            if thorax is not None:
                method = "greatest distances of both heart borders from the midline, summed, over "
                method += f"the widest row between the outer lung borders; {heart.method}"
                ratio = Measurement(
                    name=CARDIOTHORACIC_RATIO, value=across / wide, unit="1", method=method
                )
                trust = min(heart.quality, thorax[1])
                lines = (*heart.lines, *thorax[0])
                taken.append(ThoracicMeasurement(ratio, lines, trust, indirect=heart.indirect))
            width = self.scale.length(CARDIAC_WIDTH, across, across=True, method=heart.method)
            taken.append(
                ThoracicMeasurement(width, heart.lines, heart.quality, indirect=heart.indirect)
            )
        if thorax is not None:
            width = self.scale.length(
                THORACIC_WIDTH, wide, across=True, method="widest row between outer lung borders"
            )
            taken.append(ThoracicMeasurement(width, thorax[0], thorax[1]))
        return taken

    def _thoracic_line(self) -> tuple[tuple[Point, Point], float] | None:
        """The widest row from outer lung border to outer lung border, and its trust."""
        left, right = self._lung(Side.LEFT), self._lung(Side.RIGHT)
        if left is None or right is None:
            return None
        one = LungOutline.trace(left.mask, Side.LEFT)
        other = LungOutline.trace(right.mask, Side.RIGHT)
        y0, y1 = max(one.top, other.top), min(one.bottom, other.bottom)
        if y0 >= y1:
            return None
        outer_left = one.lateral[one.rows(y0, y1)]
        outer_right = other.width - other.lateral[other.rows(y0, y1)]
        widths = outer_left - outer_right
        row = int(np.flatnonzero(widths == widths.max())[-1])
        if widths[row] <= 0:
            return None
        short = min(one.height, other.height) < SHORT_LUNG * max(one.height, other.height)
        trust = min(left.quality, right.quality) * (TRUNCATED if short else 1.0)
        y = y0 + row + 0.5
        return ((float(outer_right[row]), y), (float(outer_left[row]), y)), trust

    def _heart(self) -> _HeartBorders | None:
        """The heart's borders on its own mask; else, where that is doubtful, on the lungs'."""
        heart = self._trusted_heart()
        if heart is not None:
            x0, y0, x1, _ = heart.box
            body = heart.mask[int(y0) :, int(x0) : int(x1)]
            right = (x0, float(y0 + np.median(np.flatnonzero(body[:, 0])) + 0.5))
            left = (x1, float(y0 + np.median(np.flatnonzero(body[:, -1])) + 0.5))
            lines = self._from_midline(right, left)
            return _HeartBorders(lines, heart.quality, False, "on the outline of the heart")
        one, other = self._lung(Side.LEFT), self._lung(Side.RIGHT)
        if one is None or other is None:
            return None
        outline = LungOutline.trace(other.mask, Side.RIGHT)
        left_end = LungOutline.trace(one.mask, Side.LEFT).heart_border()
        right_end = outline.heart_border()
        if left_end is None or right_end is None:
            return None
        right = (outline.width - right_end[0], right_end[1])
        if right[0] >= left_end[0]:
            return None
        trust = min(one.quality, other.quality) * INDIRECT
        method = "heart borders read off the medial borders of the lungs"
        return _HeartBorders(self._from_midline(right, left_end), trust, True, method)

    def _from_midline(self, right: Point, left: Point) -> tuple[Point, Point, Point, Point]:
        """From the right heart border to the midline, and from the midline to the left one."""
        middle = thoracic_midline(self.structures)
        if middle is None or not right[0] < middle < left[0]:
            middle = (right[0] + left[0]) / 2
        return right, (middle, right[1]), (middle, left[1]), left

    def _dome(self, side: Side) -> Point | None:
        """The dome of a hemidiaphragm as (x, y); `None` where the lung's base is not there."""
        lung = self._lung(side)
        if lung is None:
            return None
        x0, y0, x1, y1 = (int(edge) for edge in lung.box)
        start, stop = (round(x0 + share * (x1 - x0)) for share in DOME_BAND)
        heart = self._trusted_heart()
        if heart is None:  # then the heart's border must not pass for a dome
            outline = LungOutline.trace(lung.mask, side)
            border = outline.heart_border()
            if border is not None and side is Side.LEFT:
                start = max(start, int(border[0]))
            elif border is not None:
                stop = min(stop, int(outline.width - border[0]))
        bottom = y1 if heart is None else max(y1, int(heart.box[3]))
        if start >= stop:
            return None
        body = lung.mask[y0:bottom, start:stop]
        if heart is not None:
            body = body | heart.mask[y0:bottom, start:stop]
        if not body.any(axis=0).all():
            return None
        lower = bottom - body[::-1].argmax(axis=0)
        level = int(lower.min())
        return start + float(np.median(np.flatnonzero(lower == level))) + 0.5, float(level)

    def _height(self, side: Side) -> ThoracicMeasurement | None:
        lung, dome = self._lung(side), self._dome(side)
        if lung is None or dome is None or dome[1] <= lung.box[1]:
            return None
        length = self.scale.length(
            f"{side.value}_lung_height",
            dome[1] - lung.box[1],
            across=False,
            method="apex of the lung to the dome of its hemidiaphragm",
        )
        line = ((dome[0], lung.box[1]), dome)
        return ThoracicMeasurement(length, line, lung.quality, side)

    def _area(self, side: Side) -> ThoracicMeasurement | None:
        lung = self._lung(side)
        if lung is None:
            return None
        area = self.scale.area(
            f"{side.value}_lung_area", int(np.count_nonzero(lung.mask)), "projected lung field"
        )
        return ThoracicMeasurement(area, (), lung.quality, side)

    def _asymmetry(
        self, left: ThoracicMeasurement | None, right: ThoracicMeasurement | None
    ) -> ThoracicMeasurement | None:
        if left is None or right is None:
            return None
        one, other = left.measurement.value, right.measurement.value
        asymmetry = Measurement(
            name=LUNG_HEIGHT_ASYMMETRY,
            value=200.0 * (one - other) / (one + other),
            unit="%",
            method="left minus right lung height, of their mean",
        )
        return ThoracicMeasurement(
            asymmetry, (*left.landmarks, *right.landmarks), min(left.quality, right.quality)
        )

    def _level_difference(self) -> ThoracicMeasurement | None:
        left, right = self._dome(Side.LEFT), self._dome(Side.RIGHT)
        lungs = self._lung(Side.LEFT), self._lung(Side.RIGHT)
        if left is None or right is None or lungs[0] is None or lungs[1] is None:
            return None
        difference = self.scale.length(
            HEMIDIAPHRAGM_LEVEL_DIFFERENCE,
            left[1] - right[1],
            across=False,
            method="level of the left dome minus level of the right dome",
        )
        lines = (right, (left[0], right[1]), (left[0], right[1]), left)
        return ThoracicMeasurement(difference, lines, min(lung.quality for lung in lungs if lung))
