"""Lesion cross-attention: what the whole film shows, hinted to each of its regions."""

from __future__ import annotations

import torch
from torch import Tensor, nn

POSITIVE_WEIGHT = 0.9
NEGATIVE_WEIGHT = 0.1


def lesion_weights(
    labels: Tensor, positive: float = POSITIVE_WEIGHT, negative: float = NEGATIVE_WEIGHT
) -> Tensor:
    """Weights of lesion names by a film's labels, of the same shape.

    0.9 for a lesion that the film has and 0.1 for one it has not: no label is beyond doubt, so
    none is left out altogether (CLALA-Net, lesion cross attention).
    """
    return torch.where(labels.bool(), positive, negative).to(torch.get_default_dtype())


class LesionCrossAttention(nn.Module):
    """Regions ask, weighted lesion names answer (CLALA-Net, lesion cross attention).

    The lesion names' embeddings E ``(lesions, text_width)`` are multiplied, row by row, by the
    film's weights; region embeddings ``(films, regions, width)`` are the queries, the products the
    keys and values. What is attended is added to the region, so that it stays a soft hint beside
    what the region itself shows. The products are not normalised before the attention, which would
    take the weights out again.
    """

    def __init__(self, width: int, text_width: int, heads: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(
            width, heads, dropout=dropout, kdim=text_width, vdim=text_width, batch_first=True
        )
        self.norm = nn.LayerNorm(width)

    def forward(self, regions: Tensor, lesions: Tensor, weights: Tensor) -> Tensor:
        """Refined regions ``(films, regions, width)``; ``weights`` is ``(films, lesions)``."""
        hinted = weights[:, :, None] * lesions[None]
        attended, _ = self.attention(regions, hinted, hinted, need_weights=False)
        refined: Tensor = self.norm(regions + attended)
        return refined
