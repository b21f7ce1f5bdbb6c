"""The box that the classifier sees: the lungs with a margin, or the whole image."""

from __future__ import annotations

import torch
from torch import Tensor

from models.data.augmentation import box_grids, sample


def widen(boxes: Tensor, margin: float) -> Tensor:
    """Add ``margin`` of its own side on each side of every box, within the image.

    ``boxes`` is ``(batch, 4)`` in shares of the image.
    """
    across = (boxes[:, 2:3] - boxes[:, 0:1]) * margin
    down = (boxes[:, 3:4] - boxes[:, 1:2]) * margin
    return (boxes + torch.cat([-across, -down, across, down], dim=1)).clamp(0.0, 1.0)


def cut(images: Tensor, boxes: Tensor, size: int) -> Tensor:
    """Cut ``boxes`` out of ``(batch, 1, height, width)`` images, to ``(batch, 1, size, size)``."""
    return sample(images, box_grids(boxes, size))
