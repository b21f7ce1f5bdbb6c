"""Radixpert's first version at the paper's size, counted beside the paper's Table II."""

from __future__ import annotations

from typing import Any, Final

import torch

from models.language.architectures import meta_language_model
from models.radixpert_fusion.cross_attending import language_half
from models.radixpert_fusion.network import FusionNetwork
from models.radixpert_fusion.preset import ROWS, FusionPreset
from models.reports.counting import ParameterCount, PublishedCount, count_parameters
from models.training.presets import read_preset
from models.training.roles import Role

PRESET: Final = "radixpert_fusion-paper"
_MODEL: Final = "llama-3.2-11b-vision"
_PARTS: Final = {
    "lora_": "adapters",
    "fusion.gate": "gate",
    "fusion.": "fusion",
    "lm_head": "language head",
    "language_model": "cross-attention",
    "model.layers": "cross-attention",
}
_FIGURES: Final = {
    "base": 0.0,
    "lora": 42e6,
    "msa_lora": 84e6,
    "hcf": 126e6,
    "gating": 147e6,
    "final_lora": 168e6,
}
_S_CMT: Final = (
    "Section IV.C calls it less than 2 %, but the cross-attention layers and the output layer that "
    "it names alone are 2.3 billion of Llama 3.2 11B's parameters. Table II's 168 M (1.5 %) are "
    "adapters and the fusion, without them."
)
_LEARNT: Final = (
    "rank 16 on all linear layers of the 32 self-attention blocks is 41.9 M, rank 8 is 21.0 M; "
    "the fusion's widths, which the paper does not give, were chosen to give its 42 M and 21 M"
)


def paper_network(row: str) -> FusionNetwork:
    """The network of a row at the paper's size, on the meta device."""
    preset = read_preset(FusionPreset, Role.REPORT, PRESET)
    whole: Any = meta_language_model(_MODEL)
    encoder = torch.nn.ModuleList([whole.model.vision_model, whole.model.multi_modal_projector])
    half = language_half(whole)
    with torch.device("meta"):
        return FusionNetwork(
            half,
            None,  # type: ignore[arg-type]  # no text is read on the meta device
            int(whole.config.text_config.hidden_size),
            preset.shape,
            ROWS[row],
            "",
            preset.decoding.most_tokens,
            encoder,
        )


def paper_count(row: str) -> ParameterCount:
    """Its parameters; every stage's adapters count as trained, as in the paper."""
    return count_parameters(paper_network(row), _PARTS)


def count_radixpert_fusion() -> tuple[PublishedCount, ...]:
    """Table II's rows and section IV.C's claim."""
    rows = tuple(
        PublishedCount(
            row=row,
            ours=paper_count(row).trainable,
            figure=figure,
            source="Table II",
            reason=_LEARNT if figure else "",
        )
        for row, figure in _FIGURES.items()
    )
    partition = paper_count("s_cmt")
    claim = PublishedCount(
        "s_cmt", partition.trainable, 0.02 * partition.total, "section IV.C (< 2 %)", _S_CMT
    )
    return (*rows, claim)
