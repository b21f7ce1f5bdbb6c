"""Losses of the experts: masked overlap for anatomy, smoothed cross-entropy for findings."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

_SMOOTH = 1.0


def union_logit(left: Tensor, right: Tensor) -> Tensor:
    """Logit of "in the left lung or in the right", the two taken as independent."""
    log_neither = functional.logsigmoid(-left) + functional.logsigmoid(-right)
    # log P(either) = log(1 - exp(log_neither)); the clamp keeps both ends finite.
    log_neither = log_neither.clamp(max=-1e-6)
    log_either = torch.log(-torch.expm1(log_neither))
    return log_either - log_neither


def masked_overlap_loss(
    logits: Tensor, targets: Tensor, known: Tensor, judged: Tensor | None = None
) -> Tensor:
    """Cross-entropy plus soft Dice, over the structures that were annotated.

    ``logits`` and ``targets`` are ``(batch, structures, height, width)``, ``known`` is 0/1
    ``(batch, structures)``, ``judged`` is 0/1, broadcastable to the logits: pixels with 0 count
    for neither term. Each annotated structure of each image weighs the same. With nothing known
    the loss is zero.
    """
    weight = torch.ones_like(logits) if judged is None else judged.expand_as(logits)
    pixels = weight.sum(dim=(2, 3)).clamp(min=1.0)
    entropy = functional.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    entropy = (entropy * weight).sum(dim=(2, 3)) / pixels
    chance = torch.sigmoid(logits) * weight
    inside = targets * weight
    overlap = 2 * (chance * inside).sum(dim=(2, 3)) + _SMOOTH
    extent = chance.sum(dim=(2, 3)) + inside.sum(dim=(2, 3)) + _SMOOTH
    loss = entropy + 1 - overlap / extent
    return (loss * known).sum() / known.sum().clamp(min=1.0)


def smoothed_cross_entropy(
    logits: Tensor, targets: Tensor, smoothing: float, weights: Tensor | None = None
) -> Tensor:
    """Binary cross-entropy with targets drawn towards 0.5, mean over images and targets.

    ``smoothing`` of 0.1 turns 0 and 1 into 0.05 and 0.95; text-mined labels are about one tenth
    wrong. ``weights``, broadcastable to the logits, scales each term; the mean is then over the
    weight, so that an unknown label (weight 0) counts for nothing. With no weight at all the loss
    is zero.
    """
    softened = targets * (1 - smoothing) + 0.5 * smoothing
    loss: Tensor = functional.binary_cross_entropy_with_logits(logits, softened, reduction="none")
    if weights is None:
        return loss.mean()
    weights = weights.expand_as(loss)
    return (loss * weights).sum() / weights.sum().clamp(min=1e-6)
