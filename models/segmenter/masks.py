"""From logits to masks: stray parts removed, holes filled, enlarged to the image."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

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
