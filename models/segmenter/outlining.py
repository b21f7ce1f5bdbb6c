"""From one square image to cleaned logits and traits of every structure: the network at work."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.segmenter.config import SegmenterConfig
from models.segmenter.masks import clean_logits
from models.segmenter.network import SegmenterNetwork, Structure, mirror_order
from models.segmenter.quality import MaskTraits, mask_traits, soft_agreement


@dataclass(frozen=True, slots=True, eq=False)
class Outlined:
    """One structure at the network's size.

    ``logits`` float32 ``(size, size)`` are without stray parts and holes, ``raw`` with them.
    ``traits`` is None for an empty mask.
    """

    logits: NDArray[np.float32]
    raw: NDArray[np.float32]
    traits: MaskTraits | None


def outline(
    network: SegmenterNetwork, square: Tensor, config: SegmenterConfig
) -> dict[Structure, Outlined]:
    """Outline the structures on ``(size, size)`` intensities in [0, 1].

    Where the configuration says so, the logits are the mean over the image and its mirror image.
    """
    views = torch.stack([square, square.flip(-1)]) if config.mirrored else square[None]
    with torch.inference_mode():
        logits = network(views[:, None].contiguous(memory_format=torch.channels_last))
        if config.mirrored:
            logits[1] = logits[1].flip(-1)[mirror_order(config.structures)]
    each = logits.numpy()
    found = {}
    for place, structure in enumerate(config.structures):
        raw = each[:, place].mean(axis=0) + np.float32(config.offsets.get(structure, 0.0))
        single = [probability(view) for view in each[:, place]]
        cleaned, kept_share = clean_logits(raw, structure)
        agreement = soft_agreement(single[0], single[-1])
        found[structure] = Outlined(
            logits=cleaned,
            raw=raw,
            traits=mask_traits(cleaned, kept_share, agreement, config.areas[structure]),
        )
    return found


def probability(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """The logistic function, safe at any logit."""
    chance: NDArray[np.float32] = (1 / (1 + np.exp(-np.clip(logits, -30, 30)))).astype(np.float32)
    return chance
