"""Radixpert's second version: patches and anatomy as words before an adapted language model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from models.language.adapters import add_lora
from models.radixpert_anatomy.fusion import AnatomyFusion, on_grid
from models.radixpert_anatomy.maps import FINER, FIVE
from models.radixpert_anatomy.preset import AnatomyShape, AnatomySwitches
from models.radixpert_anatomy.visual import AdaptedEncoder
from models.radixpert_fusion.network import pooled
from models.reports.contract import Decoding
from models.reports.network import PartlyTrained
from models.reports.prefix import PrefixedLanguageModel

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


@dataclass(frozen=True, slots=True)
class Seen:
    """What the network is shown of a batch.

    ``image`` holds patch vectors ``(batch, n * n, width)``, or pixels where the encoder carries
    adapters; ``maps`` are ``(batch, channels, rows, columns)``; ``prompts`` ends on the request.
    """

    image: Tensor
    maps: Tensor | None
    prompts: tuple[str, ...]


class AnatomyNetwork(PartlyTrained):
    """Trained are the projector, the 1 × 1 convolution and the adapters (section IV.D)."""

    def __init__(
        self,
        language: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        patch_width: int,
        shape: AnatomyShape,
        switches: AnatomySwitches,
        most_tokens: int,
        encoder: AdaptedEncoder | None = None,
        held: nn.Module | None = None,
    ) -> None:
        """``encoder`` is given where it carries adapters; ``held`` are frozen parts to count."""
        super().__init__()
        language.requires_grad_(False)
        if switches.lora:
            add_lora(language, shape.lora)
        self.written = PrefixedLanguageModel(language, tokenizer, most_tokens)
        channels = channels_of(switches) if switches.anatomy else 0
        self.fusion = AnatomyFusion(
            patch_width, channels, shape.embedding, shape.projector, self.written.width
        )
        self.encoder = encoder
        self.held = held
        if held is not None:
            held.requires_grad_(False)
        self._pooled = shape.pooled

    def prefix(self, seen: Seen) -> Tensor:
        """Word vectors of the image, ``(batch, patches, width)`` (eqs. 3-6)."""
        patches = seen.image if self.encoder is None else self.encoder(seen.image)
        maps = None if seen.maps is None else on_grid(seen.maps, self._pooled)
        found: Tensor = self.fusion(pooled(patches, self._pooled), maps)
        return found

    def report_loss(self, seen: Seen, texts: Sequence[str]) -> Tensor:
        """Mean cross-entropy of the reports' tokens (eq. 9)."""
        return self.written.loss(self.prefix(seen), texts, seen.prompts)

    def log_probability(self, seen: Seen, texts: Sequence[str]) -> Tensor:
        """Log probability ``(batch,)`` of each report."""
        return self.written.log_probability(self.prefix(seen), texts, seen.prompts)

    @torch.inference_mode()
    def write(self, seen: Seen, decoding: Decoding, seed: int = 0) -> list[str]:
        """One report for each row."""
        return self.written.write(self.prefix(seen), decoding, seed, seen.prompts)


def channels_of(switches: AnatomySwitches) -> int:
    """K of eq. 2."""
    return len(FIVE) + (len(FINER) if switches.finer else 0)
