"""Carry boxes along when an image is turned, mirrored, shifted or scaled.

A left-right mirror moves a box to the other side and changes nothing else: no finding of the
vocabulary names a side, and the side of a detection is read off the anatomy of the image at hand
(:mod:`imaging.regions`), never learnt. So a mirrored chest cannot teach a wrong side.
"""

from __future__ import annotations

import torch
from torch import Tensor

_LEAST_KEPT = 0.4
"""Share of its area that must stay within the image for a box to be kept."""


def affine_of(grids: Tensor) -> Tensor:
    """The affine maps ``(batch, 2, 3)`` of sampling grids ``(batch, size, size, 2)``.

    A map takes an output place to the input place that is sampled there, both in [-1, 1].
    """
    size = grids.shape[1]
    first, across, down = grids[:, 0, 0], grids[:, 0, -1], grids[:, -1, 0]
    span = 2 * (size - 1) / size
    columns = [(across - first) / span, (down - first) / span]
    corner = (1 - size) / size
    shift = first - corner * (columns[0] + columns[1])
    return torch.stack([*columns, shift], dim=2)


def carry_boxes(boxes: Tensor, affine: Tensor) -> tuple[Tensor, Tensor]:
    """Boxes ``(boxes, 4)`` of an image, where they lie after it was sampled with ``affine``.

    In and out in shares of the sides. The second tensor says which boxes remain: those of which
    enough lies within the image, to which they are cut. A turned box is the box around the
    ellipse that filled the old one, since findings are rounder than boxes and the box around a
    turned box would grow with every turn.
    """
    turn = torch.linalg.inv(affine[:, :2])
    centre = (boxes[:, :2] + boxes[:, 2:]) - 1
    half = boxes[:, 2:] - boxes[:, :2]
    moved = (centre - affine[:, 2]) @ turn.T
    reach = ((turn[None] * half[:, None]) ** 2).sum(dim=2).sqrt()
    carried = (torch.cat([moved - reach, moved + reach], dim=1) + 1) / 2
    cut = carried.clamp(0, 1)
    area = (carried[:, 2:] - carried[:, :2]).prod(dim=1)
    kept = (cut[:, 2:] - cut[:, :2]).prod(dim=1) >= _LEAST_KEPT * area
    return cut, kept
