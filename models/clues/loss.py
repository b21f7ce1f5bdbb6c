"""The symmetric contrastive loss of TRRG's first stage, with false negatives left out."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def contrastive_loss(images: Tensor, texts: Tensor, scale: Tensor, negatives: Tensor) -> Tensor:
    """InfoNCE in both directions (TRRG, eq. 1), the mean of the two.

    ``images`` and ``texts`` are ``(batch, width)`` unit vectors of which row i belongs to row i;
    ``scale`` is one over the temperature. ``negatives`` is bool ``(batch, batch)``: entry (i, j)
    is true where text j is known to be false of image i. What is neither the pair itself nor such
    a negative (the same finding at the same place, or a denial that holds of both) has no part
    in the loss. An image or text without a negative adds nothing.
    """
    # Cosines in half precision would be too coarse for a temperature of a hundredth.
    with torch.autocast(images.device.type, enabled=False):
        logits = scale * (images.to(scale.dtype) @ texts.to(scale.dtype).T)
    pairs = torch.eye(len(images), dtype=torch.bool, device=images.device)
    logits = logits.masked_fill(~(negatives.to(images.device) | pairs), float("-inf"))
    target = torch.arange(len(images), device=images.device)
    return (
        functional.cross_entropy(logits, target) + functional.cross_entropy(logits.T, target)
    ) / 2
