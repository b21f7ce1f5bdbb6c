"""From probability maps to masks: stray parts removed, holes filled, trust measured."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from models.segmenter.config import AreaRange
from models.segmenter.network import Structure

_CERTAIN_LOGIT = 8.0
# A lung crossed by an opacity may come in parts; heart and clavicles come in one.
_LUNG_PART_SHARE = 0.15
_LUNGS = (Structure.LEFT_LUNG, Structure.RIGHT_LUNG)


def clean_logits(
    logits: NDArray[np.float32], structure: Structure
) -> tuple[NDArray[np.float32], float]:
    """Drop stray parts and fill holes; gives the logits and the share of pixels that was kept.

    ``logits`` is ``(size, size)``. The boundary keeps its soft logits, so that enlarging them
    gives a smooth outline.
    """
    from scipy import ndimage

    inside = logits > 0
    parts, count = ndimage.label(inside)
    if count == 0:
        return logits, 0.0
    areas = np.bincount(parts.ravel())
    areas[0] = 0
    least = areas.max() * (_LUNG_PART_SHARE if structure in _LUNGS else 1.0)
    kept = np.isin(parts, np.flatnonzero((areas >= least) & (areas > 0)))
    filled = ndimage.binary_fill_holes(kept)
    near = ndimage.binary_dilation(filled, iterations=2)
    cleaned = np.where(near | ~inside, logits, np.float32(-_CERTAIN_LOGIT))
    cleaned = np.where(filled & ~kept, np.float32(_CERTAIN_LOGIT), cleaned)
    return cleaned.astype(np.float32), float(areas.max()) / float(areas.sum())


def enlarge(logits: NDArray[np.float32], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Mask of ``shape`` (height, width) from logits of the network's size."""
    enlarged = functional.interpolate(
        torch.from_numpy(logits)[None, None], size=shape, mode="bilinear", align_corners=False
    )
    mask: NDArray[np.bool_] = (enlarged[0, 0] > 0).numpy()
    return mask


def mask_quality(logits: NDArray[np.float32], kept_share: float, usual: AreaRange) -> float:
    """How far a mask can be trusted, in [0, 1].

    The product of three: the mean certainty ``|2p - 1|`` over the pixels where the mask is or
    might be (p > 0.05); the share of the mask that its largest part makes up; and whether
    the area is a usual one (1 within the 1st to 99th percentile of the training masks, falling
    to 0 at a third of the lower and at 1.7 times the upper limit). 0 for an empty mask.
    """
    chance = 1 / (1 + np.exp(-np.clip(logits, -30, 30)))
    area = float((chance > 0.5).mean())
    if area == 0:
        return 0.0
    certainty = float(np.abs(2 * chance[chance > 0.05] - 1).mean())
    low, high = usual.low, usual.high
    if area < low:
        plausible = (area - low / 3) / (low - low / 3)
    elif area > high:
        plausible = (1.7 * high - area) / (0.7 * high)
    else:
        plausible = 1.0
    return float(np.clip(certainty * kept_share * np.clip(plausible, 0, 1), 0, 1))
