"""Nodules drawn into films that have none, to teach where few are known.

A nodule is drawn as what a small dense body would add to the film: thickest in its middle,
softly bounded, roughly but not quite round. Few films come with drawn nodules; simulated ones are
common practice where that is so (Litjens et al., MICCAI 2010; Sogancioglu et al., NODE21, IEEE
Trans Med Imaging 43, 2024). They are for training only and never enter a measurement.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.data.box_sources import Box

LUNGS_BREADTH_MM: Final = 280.0
"""Both lungs of an adult, from side to side: what turns millimetres into shares of a film."""

_DIAMETERS_MM: Final = (6.0, 30.0)
_CONTRASTS: Final = (0.06, 0.2)
"""Share of the way to white that the middle of a nodule of `_USUAL_MM` goes; larger ones more."""
_USUAL_MM: Final = 15.0
_IRREGULARITY: Final = 0.12
_HARMONICS: Final = (2, 3, 4, 5)
_LONGEST: Final = 1.35
"""Of an oval nodule, the longer axis as a multiple of the shorter, at most."""
_EDGE: Final = 0.7
"""Exponent of the thickness; 0.5 is a sphere, whose outline is sharper than nodules are."""


def add_nodule(
    image: NDArray[np.float32], lungs: NDArray[np.bool_], random: np.random.Generator
) -> tuple[NDArray[np.float32], Box]:
    """The film with one nodule more, and the box around it in shares of the film's sides.

    ``image`` is float32 ``(size, size)`` in [0, 1]; ``lungs`` is a mask of both lungs, square, of
    any size, with at least one pixel set.
    """
    size, coarse = len(image), len(lungs)
    columns = np.flatnonzero(lungs.any(axis=0))
    breadth = float(columns[-1] + 1 - columns[0]) / coarse * size
    millimetres = float(np.exp(random.uniform(*np.log(_DIAMETERS_MM))))
    radius = millimetres / LUNGS_BREADTH_MM * breadth / 2
    row, column = random.choice(np.argwhere(lungs))
    y, x = (np.array([row, column]) + random.random(2)) / coarse * size

    down, across = np.mgrid[0:size, 0:size].astype(np.float32) + np.float32(0.5)
    turn, stretch = random.uniform(0, np.pi), np.sqrt(random.uniform(1.0, _LONGEST))
    along = ((across - x) * np.cos(turn) + (down - y) * np.sin(turn)) / stretch
    aside = ((down - y) * np.cos(turn) - (across - x) * np.sin(turn)) * stretch
    angle = np.arctan2(aside, along)
    border = np.ones_like(image)
    for harmonic in _HARMONICS:
        height = random.normal(0, _IRREGULARITY / harmonic)
        border += height * np.cos(harmonic * angle + random.uniform(0, 2 * np.pi))
    reach = np.hypot(along, aside) / (radius * np.maximum(border, 0.5))
    thickness = np.clip(1 - reach**2, 0, None) ** _EDGE

    contrast = random.uniform(*_CONTRASTS) * np.sqrt(millimetres / _USUAL_MM)
    shown = (image + contrast * thickness * (1 - image)).clip(0, 1).astype(np.float32)
    rows, inside = (np.flatnonzero((reach < 1).any(axis=axis)) for axis in (1, 0))
    if not len(rows):
        return shown, _within((x - radius, y - radius, x + radius, y + radius), size)
    return shown, _within((inside[0], rows[0], inside[-1] + 1, rows[-1] + 1), size)


def _within(box: tuple[float, float, float, float], size: int) -> Box:
    x0, y0, x1, y1 = (min(max(float(value) / size, 0.0), 1.0) for value in box)
    return (x0, y0, x1, y1)
