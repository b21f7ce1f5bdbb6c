"""Anatomy-aware fusion (Radixpert, second version, section IV.C, eqs. 3-6)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


def on_grid(maps: Tensor, side: int) -> Tensor:
    """Adaptive average pooling to ``side * side`` (eq. 3); 0 leaves the grid as it is."""
    return functional.adaptive_avg_pool2d(maps, side) if side else maps


class AnatomyFusion(nn.Module):
    """Patch vectors, with a learnt embedding of the anatomy in each patch, as word vectors.

    Without maps it is what the paper's base is: one linear layer (Table III).
    """

    def __init__(
        self, patch_width: int, channels: int, embedding: int, hidden: int, width: int
    ) -> None:
        """``channels`` of the maps; 0: no anatomy."""
        super().__init__()
        self.norm = nn.LayerNorm(patch_width)
        self.semantic = nn.Conv2d(channels, embedding, 1) if channels else None
        self.projector: nn.Module = nn.Linear(patch_width, width)
        if channels:
            self.projector = nn.Sequential(
                nn.Linear(patch_width + embedding, hidden), nn.GELU(), nn.Linear(hidden, width)
            )

    def forward(self, patches: Tensor, maps: Tensor | None) -> Tensor:
        """Word vectors ``(batch, n * n, width)``, row by row from the image's upper left.

        ``patches`` is ``(batch, n * n, patch_width)`` in that order, ``maps`` is
        ``(batch, channels, n, n)``. Raises `ValueError` where maps are wanted and not given.
        """
        seen: Tensor = self.norm(patches)
        if self.semantic is not None:
            if maps is None:
                raise ValueError("the anatomy branch needs the maps of the image")
            embedded: Tensor = self.semantic(maps)
            seen = torch.cat([seen, embedded.flatten(2).transpose(1, 2)], dim=-1)
        words: Tensor = self.projector(seen)
        return words
