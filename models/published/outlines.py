"""Outlines by any published segmentation network: masks by region, each with how firm it is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from findings.regions import Region

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from imaging.study import Mask

SIDES: Final[tuple[tuple[Region, Region], ...]] = (
    (Region.LEFT_LUNG, Region.RIGHT_LUNG),
    (Region.LEFT_CLAVICLE, Region.RIGHT_CLAVICLE),
    (Region.LEFT_HILUM, Region.RIGHT_HILUM),
)


@dataclass(frozen=True)
class Outlines:
    """Masks of one image at its own size, bool H×W; qualities in [0, 1]."""

    masks: dict[Region, Mask]
    quality: dict[Region, float]


def firmness(probability: NDArray[np.float32], mask: Mask) -> float:
    """How sharply a probability map agrees with the mask cut from it: their soft Dice, in [0, 1].

    1 where every pixel is certain, 0 for an empty mask. It says how decided the network is, not
    how right.
    """
    import numpy as np

    total = float(probability.sum(dtype=np.float64)) + float(np.count_nonzero(mask))
    inside = float(probability[mask].sum(dtype=np.float64))
    return 2.0 * inside / total if inside > 0.0 else 0.0


def sides_by_position(outlines: Outlines) -> Outlines:
    """The outlines with left and right as they lie: the patient's left is on the display's right.

    Networks differ in whose left they name. Where a pair lies the other way round, its masks change
    names; half a pair follows the whole ones, and is left out where they do not agree.
    """
    masks, quality = dict(outlines.masks), dict(outlines.quality)
    columns = {side: _middle(masks[side]) for pair in SIDES for side in pair if side in masks}
    crossed = {
        (left, right): columns[left] < columns[right]
        for left, right in SIDES
        if not math.isnan(columns.get(left, math.nan) + columns.get(right, math.nan))
    }
    for left, right in SIDES:
        halves = [side for side in (left, right) if side in masks]
        if (left, right) not in crossed and len(set(crossed.values())) != 1:
            for side in halves:
                del masks[side], quality[side]
        elif crossed.get((left, right), any(crossed.values())):
            found = {side: (masks.pop(side), quality.pop(side)) for side in halves}
            for side, (mask, score) in found.items():
                other = right if side is left else left
                masks[other], quality[other] = mask, score
    return Outlines(masks, quality)


def _middle(mask: Mask) -> float:
    """Mean column of a mask; not a number where it is empty."""
    import numpy as np

    counts = mask.sum(axis=0)
    total = int(counts.sum())
    return float((counts * np.arange(counts.size)).sum()) / total if total else math.nan
