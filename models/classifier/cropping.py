"""What the classifier sees: the box around the lungs with a margin, or the whole image."""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.classifier.network import FindingNetwork
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


class Look(Protocol):
    """How one network is shown an image."""

    @property
    def size(self) -> int:
        """Side of the square that it sees."""

    @property
    def image_size(self) -> int | None:
        """Side to which the image is reduced before it is cut; None: it is not."""

    @property
    def views(self) -> tuple[View, ...]:
        """The parts it sees; its logit is their mean."""


def view_logits(
    network: nn.Module, images: Tensor, lungs: Tensor, look: Look, margin: float
) -> Tensor:
    """Mean logits over the views, each also mirrored; see :func:`shown_views`."""
    batch = shown_views(images, lungs, look, margin)
    logits: Tensor = network(batch)
    return logits.view(2 * len(look.views), len(images), -1).mean(dim=0)


def pooled_views(
    network: FindingNetwork, images: Tensor, lungs: Tensor, look: Look, margin: float
) -> Tensor:
    """What the last layer sees of every view: ``(2 * views * batch, channels)``."""
    views = shown_views(images, lungs, look, margin)
    with torch.inference_mode():
        pooled: Tensor = network.head.pool(network.features(views)).float()
    return pooled


def reduced(images: Tensor, side: int | None) -> Tensor:
    """Images ``(batch, 1, height, width)`` no larger than ``side``, reduced without aliasing."""
    if side is None or images.shape[-1] <= side:
        return images
    return functional.interpolate(
        images, size=(side, side), mode="bilinear", align_corners=False, antialias=True
    )


def shown_views(images: Tensor, lungs: Tensor, look: Look, margin: float) -> Tensor:
    """Every view of every image, then its mirror: ``(2 * views * batch, 1, size, size)``.

    ``images`` is ``(batch, 1, height, width)`` in [0, 1]; ``lungs`` are the boxes around the
    lungs, ``(batch, 4)`` in shares of the image, the whole image where they were not found.
    """
    images = reduced(images, look.image_size)
    whole = torch.tensor([0.0, 0.0, 1.0, 1.0]).expand_as(lungs)
    shown = []
    for view in look.views:
        boxes = widen(lungs, margin) if view is View.LUNGS else whole
        cut = sample(images, box_grids(boxes, look.size))
        shown += [cut, cut.flip(-1)]
    return torch.cat(shown).contiguous(memory_format=torch.channels_last)
