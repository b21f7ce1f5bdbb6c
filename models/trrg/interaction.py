"""Cross-modal clue interaction: learnt queries gather from the film and from its clues."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class CrossModalClueInteraction(nn.Module):
    """Two streams that meet in the same queries (TRRG, section 2.2, equations 2 and 3).

    Each stream is projected and attends to itself (V', C'); the queries E then attend to it and
    pass a feed-forward network: E^v from the film, E^c from the clues. The equations have neither
    residuals nor normalisation, and so it is here.
    """

    def __init__(
        self, visual_width: int, clue_width: int, width: int, heads: int, queries: int, inner: int
    ) -> None:
        super().__init__()
        self.queries = nn.Parameter(torch.randn(queries, width) * width**-0.5)
        self.project_visual = nn.Linear(visual_width, width)
        self.project_clues = nn.Linear(clue_width, width)
        self.within_visual = nn.MultiheadAttention(width, heads, batch_first=True)
        self.within_clues = nn.MultiheadAttention(width, heads, batch_first=True)
        self.ask_visual = nn.MultiheadAttention(width, heads, batch_first=True)
        self.ask_clues = nn.MultiheadAttention(width, heads, batch_first=True)
        self.feed_visual = _feed_forward(width, inner)
        self.feed_clues = _feed_forward(width, inner)

    def forward(self, visual: Tensor, clues: Tensor, absent: Tensor) -> tuple[Tensor, Tensor]:
        """``(batch, queries, width)`` twice: E^v and E^c.

        ``visual`` is ``(batch, tokens, visual_width)``, ``clues`` ``(batch, tokens, clue_width)``
        with ``absent`` bool ``(batch, tokens)`` true where a clue's text has ended.
        """
        queries = self.queries.expand(len(visual), -1, -1)
        seen = self.project_visual(visual)
        seen, _ = self.within_visual(seen, seen, seen, need_weights=False)
        told = self.project_clues(clues)
        told, _ = self.within_clues(told, told, told, key_padding_mask=absent, need_weights=False)
        from_visual, _ = self.ask_visual(queries, seen, seen, need_weights=False)
        from_clues, _ = self.ask_clues(
            queries, told, told, key_padding_mask=absent, need_weights=False
        )
        return self.feed_visual(from_visual), self.feed_clues(from_clues)


def consistency_loss(from_visual: Tensor, from_clues: Tensor) -> Tensor:
    """Disease-clue consistency: minus the mean cosine of E^v and E^c (TRRG, equation 4).

    The mean is over the queries and the batch. (The equation's sum runs to K, the number of clues,
    but E^v and E^c have one vector for each query.)
    """
    return -functional.cosine_similarity(from_visual, from_clues, dim=-1).mean()


def _feed_forward(width: int, inner: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width, inner), nn.GELU(), nn.Linear(inner, width))
