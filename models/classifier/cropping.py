"""What the classifier sees: the box around the lungs with a margin, or the whole image."""

from __future__ import annotations

from enum import StrEnum

import torch
from torch import Tensor, nn

from models.data.augmentation import box_grids, sample


class View(StrEnum):
    """A part of the image that a network is shown."""

    LUNGS = "lungs"
    WHOLE = "whole"


def widen(boxes: Tensor, margin: float) -> Tensor:
    """Add ``margin`` of its own side on each side of every box, within the image.

    ``boxes`` is ``(batch, 4)`` in shares of the image.
    """
    across = (boxes[:, 2:3] - boxes[:, 0:1]) * margin
    down = (boxes[:, 3:4] - boxes[:, 1:2]) * margin
    return (boxes + torch.cat([-across, -down, across, down], dim=1)).clamp(0.0, 1.0)


def view_logits(
    network: nn.Module,
    images: Tensor,
    lungs: Tensor,
    views: tuple[View, ...],
    size: int,
    margin: float,
) -> Tensor:
    """Mean logits over the views, each also mirrored; see :func:`shown_views`."""
    batch = shown_views(images, lungs, views, size, margin)
    logits: Tensor = network(batch)
    return logits.view(2 * len(views), len(images), -1).mean(dim=0)


def shown_views(
    images: Tensor, lungs: Tensor, views: tuple[View, ...], size: int, margin: float
) -> Tensor:
    """Every view of every image, then its mirror: ``(2 * views * batch, 1, size, size)``.

    ``images`` is ``(batch, 1, height, width)`` in [0, 1]; ``lungs`` are the boxes around the
    lungs, ``(batch, 4)`` in shares of the image, the whole image where they were not found.
    """
    whole = torch.tensor([0.0, 0.0, 1.0, 1.0]).expand_as(lungs)
    shown = []
    for view in views:
        boxes = widen(lungs, margin) if view is View.LUNGS else whole
        cut = sample(images, box_grids(boxes, size))
        shown += [cut, cut.flip(-1)]
    return torch.cat(shown).contiguous(memory_format=torch.channels_last)
