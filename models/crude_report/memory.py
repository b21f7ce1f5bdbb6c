"""The cross-modal memory: one matrix that image features and words both query.

Chen et al. (ACL-IJCNLP 2021), section 2.2: every feature queries the memory in several threads;
each thread takes its ``top_k`` nearest memory vectors, weighs them by a softmax over these alone,
and the joined answers are the response. Both modalities share matrix and projections, so that a
word and the image part it describes come to meet in the same memory vectors.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


def split_heads(features: Tensor, heads: int) -> Tensor:
    """``(..., length, width)`` -> ``(..., heads, length, width / heads)``."""
    return features.reshape(*features.shape[:-1], heads, -1).transpose(-3, -2)


def join_heads(features: Tensor) -> Tensor:
    """The inverse of :func:`split_heads`."""
    return features.transpose(-3, -2).flatten(-2)


class CrossModalMemory(nn.Module):
    """``(batch, length, width)`` features -> responses of the same shape."""

    def __init__(
        self, width: int, slots: int, threads: int, top_k: int, dropout: float = 0.0
    ) -> None:
        super().__init__()
        if width % threads or top_k > slots:
            raise ValueError("threads must divide the width, and top_k not exceed the slots")
        self.threads = threads
        self.top_k = top_k
        self.slots = nn.Parameter(torch.randn(slots, width) / width)
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.join = nn.Linear(width, width)
        self.drop = nn.Dropout(dropout)

    def forward(self, features: Tensor) -> Tensor:
        queries = split_heads(self.query(features), self.threads)
        keys = split_heads(self.key(self.slots), self.threads)
        values = split_heads(self.value(self.slots), self.threads)
        distances = queries @ keys.transpose(-2, -1) / queries.shape[-1] ** 0.5
        nearest, places = distances.topk(self.top_k, dim=-1)
        shares = self.drop(nearest.softmax(dim=-1))
        # Spread over all slots so that one product answers; gathering k vectors for each feature
        # would need k times the memory.
        spread = torch.zeros_like(distances).scatter(-1, places, shares.to(distances.dtype))
        response: Tensor = self.join(join_heads(spread @ values))
        return response
