"""Hierarchical Cross-Modal Fusion (Radixpert, first version, section IV.B, eqs. 1-2).

The paper names three levels and the gate, and gives neither widths nor layers. Here each level is
one cross-attention whose queries are image patches: at the low level to the prompt's word vectors,
at the mid level to patches and words, so that concepts meet each other, and at the high level,
with the mid level's vectors as queries, to both levels below and the words.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional


class Fused(NamedTuple):
    """The mix ``(batch, patches, width)`` and the weights of its levels ``(batch, 3)``."""

    vectors: Tensor
    weights: Tensor


class CrossLevel(nn.Module):
    """One level: patches attend to a context, through a narrower space."""

    def __init__(self, width: int, inner: int, heads: int, dropout: float) -> None:
        super().__init__()
        if inner % heads:
            raise ValueError("the inner width must be a multiple of the heads")
        self.heads = heads
        self.norm_query = nn.LayerNorm(width)
        self.norm_context = nn.LayerNorm(width)
        self.query = nn.Linear(width, inner, bias=False)
        self.key = nn.Linear(width, inner, bias=False)
        self.value = nn.Linear(width, inner, bias=False)
        self.out = nn.Linear(inner, width, bias=False)
        self.dropout = nn.Dropout(dropout)

    def forward(self, patches: Tensor, context: Tensor) -> Tensor:
        """``(batch, patches, width)`` and ``(batch, context, width)`` to the former's shape."""

        def split(vectors: Tensor) -> Tensor:
            return vectors.reshape(*vectors.shape[:2], self.heads, -1).transpose(1, 2)

        asked = split(self.query(self.norm_query(patches)))
        read = self.norm_context(context)
        found = functional.scaled_dot_product_attention(
            asked, split(self.key(read)), split(self.value(read))
        )
        mixed: Tensor = self.out(found.transpose(1, 2).flatten(2))
        kept: Tensor = self.dropout(mixed)
        return patches + kept


class LevelGate(nn.Module):
    """How much each level counts for this image: softmax of an MLP of their means (eqs. 1-2)."""

    def __init__(self, width: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.mlp = nn.Sequential(
            nn.Linear(3 * width, hidden), nn.GELU(), nn.Dropout(dropout), nn.Linear(hidden, 3)
        )

    def forward(self, low: Tensor, mid: Tensor, high: Tensor) -> Tensor:
        """Levels ``(batch, patches, width)`` each, to weights ``(batch, 3)`` that add up to 1."""
        pooled = torch.cat([level.mean(dim=1) for level in (low, mid, high)], dim=-1)
        weights: Tensor = self.mlp(pooled).softmax(dim=-1)
        return weights


class HierarchicalFusion(nn.Module):
    """Three levels of fusion, mixed by the gate, or evenly without one."""

    def __init__(
        self, width: int, inner: int, heads: int, gate_hidden: int, dropout: float, gated: bool
    ) -> None:
        super().__init__()
        self.low = CrossLevel(width, inner, heads, dropout)
        self.mid = CrossLevel(width, inner, heads, dropout)
        self.high = CrossLevel(width, inner, heads, dropout)
        self.gate = LevelGate(width, gate_hidden, dropout) if gated else None

    def forward(self, patches: Tensor, words: Tensor) -> Fused:
        """Patches ``(batch, patches, width)``, prompt words ``(batch, words, width)``."""
        low = self.low(patches, words)
        mid = self.mid(patches, torch.cat([patches, words], dim=1))
        high = self.high(mid, torch.cat([low, mid, words], dim=1))
        if self.gate is None:
            weights = patches.new_full((len(patches), 3), 1 / 3)
        else:
            weights = self.gate(low, mid, high)
        levels = torch.stack([low, mid, high], dim=1)
        return Fused(torch.einsum("bl,blnd->bnd", weights, levels), weights)
