"""Simple rules on gray values that need no learning: blank, elongated, drawn."""

from __future__ import annotations

import numpy as np

from imaging.study import FloatImage

_LONGEST = 2.2
_LEAST_DEVIATION = 0.02
_LEAST_ENTROPY = 1.5
"""Bits, of 64 gray levels; the emptiest chest films have over 3."""
_DRAWN_LEVELS = 16
_DRAWN_SHARE = 0.9


def is_blank(display: FloatImage) -> bool:
    """True where the picture, but for a tenth at each edge, is one even tone or nearly so."""
    rows, columns = display.shape
    middle = display[rows // 10 : rows - rows // 10, columns // 10 : columns - columns // 10]
    if float(middle.std()) < _LEAST_DEVIATION:
        return True
    counts, _ = np.histogram(middle[::2, ::2], bins=64, range=(0, 1))
    shares = counts[counts > 0] / counts.sum()
    entropy = -float((shares * np.log2(shares)).sum())
    return entropy < _LEAST_ENTROPY


def is_elongated(display: FloatImage) -> bool:
    """True where one side is more than 2.2 times the other."""
    return bool(max(display.shape) > _LONGEST * min(display.shape))


def has_few_levels(display: FloatImage) -> bool:
    """True where 16 of 256 gray levels, black and white aside, hold nine tenths of the pixels.

    Charts and drawings are like that; films never are.
    """
    counts, _ = np.histogram(display[::2, ::2], bins=256, range=(0, 1))
    between = counts[2:-2]
    if between.sum() < 0.05 * counts.sum():
        return True
    most = np.sort(between)[-_DRAWN_LEVELS:]
    return bool(most.sum() > _DRAWN_SHARE * between.sum())
