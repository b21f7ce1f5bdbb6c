"""The contrastive losses of CLALA-Net: lesions across films, and regions with their sentences."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def info_nce(anchors: Tensor, others: Tensor, temperature: Tensor, negatives: Tensor) -> Tensor:
    """InfoNCE with cosine similarity: anchor i belongs to other i (van den Oord et al., 2018).

    ``anchors`` and ``others`` are ``(n, width)`` of any length; ``negatives`` is bool ``(n, n)``,
    true where other j is a negative of anchor i. What is neither the pair itself nor a negative
    has no part in the loss. Zero for an empty batch.
    """
    if not len(anchors):
        return anchors.sum()
    # Cosines in half precision would be too coarse for the usual temperatures.
    with torch.autocast(anchors.device.type, enabled=False):
        one = functional.normalize(anchors.float(), dim=-1)
        other = functional.normalize(others.float(), dim=-1)
        logits = (one @ other.T) / temperature
    pairs = torch.eye(len(anchors), dtype=torch.bool, device=anchors.device)
    logits = logits.masked_fill(~(negatives.to(anchors.device) | pairs), float("-inf"))
    return functional.cross_entropy(logits, torch.arange(len(anchors), device=anchors.device))


def lesion_negatives(lesions: Tensor, places: Tensor, by_place: bool = True) -> Tensor:
    """Which comparisons are negatives of which anchors in lesion-level contrastive learning.

    ``lesions`` int ``(n,)`` is the lesion that pair i was chosen for (-1: a region without any),
    ``places`` int ``(n,)`` the region. Negatives differ in lesion or in place; without
    ``by_place``, as with labels that name no place (CLALA-Net, table 4), in lesion alone.
    """
    differ = lesions[:, None] != lesions[None, :]
    if by_place:
        differ = differ | (places[:, None] != places[None, :])
    return differ


def shared_lesion(labels: Tensor, lesions: Tensor, places: Tensor, by_place: bool = True) -> Tensor:
    """Where comparison j shows, at that same place, a lesion that anchor i was chosen for.

    ``labels`` is bool ``(n, lesions)``, what the comparisons' regions show. Such a pair is no
    negative, whatever the comparison was chosen for: a region may hold several lesions.
    """
    holds = labels[:, lesions.clamp(min=0)].T & (lesions >= 0)[:, None]
    if by_place:
        holds = holds & (places[:, None] == places[None, :])
    return holds
