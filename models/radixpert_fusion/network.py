"""Radixpert's first version: fused patches that a language model attends to (section IV).

What is trained follows Selective Cross-Modal Tuning (eqs. 3-7) or the adapters of Table II. A
network is made once with everything frozen and then told what it may learn: the partition of
eq. 3 is the set of its parameters that take gradients.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.language.adapters import ALL_LINEAR, LoraSettings, add_lora
from models.radixpert_fusion.cross_attending import CrossAttendingLanguageModel, crossed_layers
from models.radixpert_fusion.hierarchy import Fused, HierarchicalFusion
from models.radixpert_fusion.preset import FusionShape, FusionSwitches
from models.reports.contract import Decoding
from models.reports.network import PartlyTrained
from models.reports.precision import in_single_precision
from models.reports.prefix import PrefixedLanguageModel

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

BROAD: Final = "broad"
CHEST: Final = "chest"
FINAL: Final = "final"
_ROUTE: Final = "self_attn|mlp"


class FusionNetwork(PartlyTrained):
    """Patch vectors in, reports out."""

    def __init__(
        self,
        language: CrossAttendingLanguageModel,
        tokenizer: PreTrainedTokenizerBase,
        patch_width: int,
        shape: FusionShape,
        switches: FusionSwitches,
        prompt: str,
        most_tokens: int,
        encoder: nn.Module | None = None,
    ) -> None:
        """``encoder`` is held for counting a whole; vectors are computed outside."""
        super().__init__()
        self.written = PrefixedLanguageModel(language, tokenizer, most_tokens)
        self.prompt = prompt
        self._pooled = shape.pooled
        width = self.written.width
        self.bridge: nn.Module = nn.Identity()
        if patch_width != width:
            self.bridge = nn.Sequential(nn.LayerNorm(patch_width), nn.Linear(patch_width, width))
        self.fusion: HierarchicalFusion | None = None
        if switches.hcf:
            self.fusion = HierarchicalFusion(
                width, shape.inner, shape.heads, shape.gate_hidden, shape.dropout, switches.gating
            )
        self.encoder = encoder
        if encoder is not None:
            encoder.requires_grad_(False)
        self._partition(language, shape, switches)

    @property
    def language(self) -> CrossAttendingLanguageModel:
        """The language model within."""
        model: Any = self.written.model
        assert isinstance(model, CrossAttendingLanguageModel)
        return model

    def _partition(
        self,
        language: CrossAttendingLanguageModel,
        shape: FusionShape,
        switches: FusionSwitches,
    ) -> None:
        """Freeze all but what the switches name (eqs. 3-5, Table II)."""
        language.requires_grad_(False)
        adapters = {name: rank for name, rank in _adapters(switches).items() if rank}
        crossed = set(crossed_layers(language))
        names = "|".join(ALL_LINEAR)
        blocks = "|".join(
            str(place) for place in range(language.config.num_hidden_layers) if place not in crossed
        )
        for name, rank in adapters.items():
            add_lora(
                language,
                LoraSettings(
                    rank=rank,
                    alpha=shape.lora_alpha,
                    dropout=shape.dropout,
                    targets=rf"(?:.*\.)?layers\.(?:{blocks})\.(?:{_ROUTE})\.(?:{names})",
                ),
                name,
            )
        self.keep = ("lora_",) if adapters else ()
        for name, parameter in language.named_parameters():
            parameter.requires_grad_(any(f".{own}." in name for own in adapters))
        precision = next(language.parameters()).dtype
        new = shape.crossings > 0
        for place in crossed:
            # Layers that were only just put in must be trained whatever the row says.
            if switches.cross_attention or new:
                layer = language.model.layers[place]
                layer.requires_grad_(True)
                _in_single(layer, precision)
        if switches.language_head:
            language.lm_head.requires_grad_(True)
            _in_single(language.lm_head, None)

    def stage(self, name: str) -> None:
        """Let the adapters of one training stage learn, and keep those of the others as they are.

        Networks without stages are left alone.
        """
        others = {BROAD, CHEST, FINAL} - {name}
        if name == CHEST:
            others.discard(FINAL)
        for parameter_name, parameter in self.named_parameters():
            if "lora_" in parameter_name:
                parameter.requires_grad_(not any(f".{own}." in parameter_name for own in others))

    def across(self, vectors: Tensor) -> Tensor:
        """What the language model attends to: ``(batch, patches, width)``.

        ``vectors`` is ``(batch, rows * columns, patch_width)``, of a square grid.
        """
        patches: Tensor = self.bridge(pooled(vectors, self._pooled))
        if self.fusion is not None:
            patches = self._fused(self.fusion, patches).vectors
        return patches.to(self.written.dtype)

    def level_weights(self, vectors: Tensor) -> Tensor:
        """The gate's weights ``(batch, 3)`` of low, mid and high level.

        Raises:
            ValueError: the network has no hierarchical fusion.
        """
        if self.fusion is None:
            raise ValueError("this network has no levels")
        return self._fused(self.fusion, self.bridge(pooled(vectors, self._pooled))).weights

    def _fused(self, fusion: HierarchicalFusion, patches: Tensor) -> Fused:
        words, _ = self.written.embed([self.prompt])
        fused: Fused = fusion(patches, words.float().expand(len(patches), -1, -1))
        return fused

    def report_loss(self, vectors: Tensor, texts: Sequence[str]) -> Tensor:
        """Mean cross-entropy of the reports' tokens."""
        return self.written.loss(
            self.written.beginning(len(texts)),
            texts,
            self.prompt,
            cross_attention_states=self.across(vectors),
        )

    def write(self, vectors: Tensor, decoding: Decoding, seed: int = 0) -> list[str]:
        """One report for each row."""
        with torch.inference_mode():
            return self.written.write(
                self.written.beginning(len(vectors)),
                decoding,
                seed,
                self.prompt,
                cross_attention_states=self.across(vectors),
            )


def pooled(vectors: Tensor, side: int) -> Tensor:
    """Patch vectors ``(batch, n * n, width)`` averaged to ``side * side``; 0 leaves them."""
    if not side:
        return vectors
    now = int(vectors.shape[1] ** 0.5)
    map_ = vectors.transpose(1, 2).reshape(len(vectors), -1, now, now)
    return functional.adaptive_avg_pool2d(map_, side).flatten(2).transpose(1, 2)


def _adapters(switches: FusionSwitches) -> dict[str, int]:
    """Adapters' names and ranks: one set, or one for each stage, and the last row's."""
    return {
        BROAD: switches.lora_rank if switches.multi_stage else 0,
        CHEST: switches.lora_rank,
        FINAL: switches.final_lora_rank,
    }


def _in_single(layer: nn.Module, back: torch.dtype | None) -> None:
    if next(layer.parameters()).device.type != "meta":
        in_single_precision(layer, back)
