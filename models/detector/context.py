"""The second stage's own layers: a proposal judged with its place and the image around it."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

_PLACE = 4


class ContextHead(nn.Module):
    """Two fully connected layers, in place of torchvision's `TwoMLPHead`.

    What ROI Align pools is a proposal's own patch. Which finding it shows depends on more: where
    in the chest it lies (fluid at the bases, air at the apices), and what the whole film looks
    like. Few drawn boxes teach that slowly by themselves, so the head is told.
    """

    def __init__(self, channels: int, pooled: int, hidden: int) -> None:
        super().__init__()
        self.patch = nn.Linear(channels * pooled**2, hidden)
        self.surroundings = nn.Linear(_PLACE + 2 * channels, hidden, bias=False)
        self.joint = nn.Linear(hidden, hidden)

    def forward(self, patches: Tensor, around: Tensor) -> Tensor:
        """``patches`` ``(proposals, channels, pooled, pooled)``, ``around`` of `surroundings`."""
        first = functional.relu(self.patch(patches.flatten(1)) + self.surroundings(around))
        return functional.relu(self.joint(first))


def surroundings(
    coarse: Tensor, proposals: list[Tensor], image_shapes: list[tuple[int, int]]
) -> Tensor:
    """Place of each proposal and mean and maximum of its image's coarse map.

    ``coarse`` is ``(images, channels, height, width)``. Returned is ``(proposals, 4 + 2 *
    channels)``: centre, width and height as shares of the image, drawn to [-1, 1], then the map's.
    """
    whole = torch.cat([coarse.mean(dim=(2, 3)), coarse.amax(dim=(2, 3))], dim=1)
    rows = []
    for image, boxes, (height, width) in zip(whole, proposals, image_shapes, strict=True):
        shares = boxes / boxes.new_tensor([width, height, width, height])
        low, high = shares[:, :2], shares[:, 2:]
        place = torch.cat([low + high, 2 * (high - low)], dim=1) - 1
        rows.append(torch.cat([place, image.expand(len(boxes), -1)], dim=1))
    return torch.cat(rows)
