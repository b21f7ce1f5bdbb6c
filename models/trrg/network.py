"""The TRRG network of the second stage: mapper, clues, their interaction, a frozen language model.

What the language model is shown, before its instruction, by the rows of the paper's table 2:

- BASE: the film's tokens, mapped;
- + DCI: the words of the told clues after them;
- + DCI + CMCI: E^v and E^c, what the queries gathered from film and clues, in the clues' place;
- TRRG: the same, with the consistency loss.

The paper does not say in which order, or in what width, the parts reach the language model: here
one linear layer takes all of them to its width.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import torch
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor, nn
from torch.nn import functional

from models.reports.network import PartlyTrained
from models.reports.prefix import PrefixedLanguageModel
from models.trrg.interaction import CrossModalClueInteraction, consistency_loss


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Switches(_Frozen):
    """The contributions of TRRG (table 2), and a guard against its known failure."""

    dci: bool = Field(default=True, description="disease clue injection")
    cmci: bool = Field(default=True, description="cross-modal clue interaction")
    consistency: bool = Field(default=True, description="disease-aware consistency loss")
    keep_devices: bool = Field(
        default=True, description="a place of its own for the device clue; not in the paper"
    )

    @model_validator(mode="after")
    def _build_on_each_other(self) -> Self:
        if self.cmci and not self.dci:
            raise ValueError("clue interaction needs clue injection")
        if self.consistency and not self.cmci:
            raise ValueError("the consistency loss needs clue interaction")
        return self


class TrrgShape(_Frozen):
    """Sizes; the defaults are the paper's, where it states them."""

    visual_width: int = Field(default=1024, gt=0, description="of the image encoder's tokens")
    visual_side: int = Field(default=7, gt=0, description="tokens a side of the encoder's map")
    pooled: int = Field(default=1, gt=0, description="side of the squares of tokens averaged")
    clue_width: int = Field(default=1024, gt=0, description="of the clues' word vectors")
    width: int = Field(default=1024, gt=0)
    heads: int = Field(default=8, gt=0)
    queries: int = Field(default=32, gt=0, description="L, which the paper does not state")
    inner: int = Field(default=4096, gt=0, description="of the feed-forward networks")
    clues: int = Field(default=3, gt=0, description="K")
    most_tokens: int = Field(default=100, gt=0, description="of a report")


class ClueWords(nn.Module):
    """The told clues' word vectors by the number of their prompt; they never change.

    ``vectors`` is ``(prompts, words, width)`` and ``present`` bool ``(prompts, words)``. ``place``
    tells the language model which of the told clues a word belongs to.
    """

    vectors: Tensor
    present: Tensor

    def __init__(self, vectors: Tensor, present: Tensor, places: int) -> None:
        super().__init__()
        self.place = nn.Parameter(torch.zeros(places, 1, vectors.shape[-1]))
        self.register_buffer("vectors", vectors)
        self.register_buffer("present", present)

    def forward(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Vectors ``(batch, places * words, width)`` of clues ``(batch, places)``, and bool
        ``(batch, places * words)`` where a clue's words have ended."""
        rows = rows.to(self.vectors.device)
        words = (self.vectors[rows] + self.place).flatten(1, 2)
        return words, ~self.present[rows].flatten(1)


class TrrgNetwork(PartlyTrained):
    """Everything that learns in the second stage, around a frozen language model."""

    def __init__(
        self,
        shape: TrrgShape,
        switches: Switches,
        language: PrefixedLanguageModel,
        clue_vectors: Tensor,
        clue_present: Tensor,
    ) -> None:
        super().__init__()
        self.shape = shape
        self.switches = switches
        self.mapper = nn.Linear(shape.visual_width, shape.width)
        self.clues = (
            ClueWords(clue_vectors, clue_present, shape.clues + switches.keep_devices)
            if switches.dci
            else None
        )
        self.clue_mapper = (
            nn.Linear(shape.clue_width, shape.width) if switches.dci and not switches.cmci else None
        )
        self.interaction = (
            CrossModalClueInteraction(
                shape.width,
                shape.clue_width,
                shape.width,
                shape.heads,
                shape.queries,
                shape.inner,
            )
            if switches.cmci
            else None
        )
        self.norm = nn.LayerNorm(shape.width)
        self.to_language = nn.Linear(shape.width, language.width)
        self.language = language.requires_grad_(False)

    def start_like_words(self) -> None:
        """Let what is shown begin on the scale of the language model's word vectors."""
        embedding: Any = self.language.model.get_input_embeddings()
        scale = float(embedding.weight.float().std())
        nn.init.normal_(self.to_language.weight, std=scale * self.shape.width**-0.5)
        nn.init.zeros_(self.to_language.bias)

    def prefix(self, visual: Tensor, clues: Tensor) -> tuple[Tensor, Tensor | None]:
        """What the language model is shown ``(batch, vectors, width)``, and the consistency loss.

        ``visual`` is ``(batch, side * side, visual_width)``, ``clues`` int ``(batch, places)``,
        which BASE does not look at. The loss is None where the switches leave it out.
        """
        mapped = self.mapper(self._pooled(visual))
        parts: Sequence[Tensor] = (mapped,)
        loss = None
        if self.clues is not None:
            words, absent = self.clues(clues)
            if self.interaction is not None:
                from_visual, from_clues = self.interaction(mapped, words, absent)
                parts = (mapped, from_visual, from_clues)
                if self.switches.consistency:
                    loss = consistency_loss(from_visual, from_clues)
            elif self.clue_mapper is not None:
                told = self.clue_mapper(words).masked_fill(absent[:, :, None], 0.0)
                parts = (mapped, told)
        shown: Tensor = self.to_language(self.norm(torch.cat(list(parts), dim=1)))
        return shown, loss

    def _pooled(self, visual: Tensor) -> Tensor:
        if self.shape.pooled == 1:
            return visual
        side = self.shape.visual_side
        cells = visual.transpose(1, 2)
        maps = cells.reshape(*cells.shape[:2], side, side)
        return functional.avg_pool2d(maps, self.shape.pooled).flatten(2).transpose(1, 2)
