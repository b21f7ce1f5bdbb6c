"""CLALA-Net at the paper's size, on the meta device."""

from __future__ import annotations

import math
from typing import Final

import torch

from models.clala.network import ClalaNetwork
from models.clala.preset import ClalaPreset
from models.reports.counting import PublishedCount, count_parameters
from models.training.presets import read_preset
from models.training.roles import Role

_SOURCE: Final = "CLALA-Net, implementation and training details"
_PARTS: Final = {
    "eye": "image encoder",
    "read": "text encoder",
    "decoder": "text decoder",
    "attention": "lesion cross-attention",
}


def paper_network(preset: str = "clala-paper") -> ClalaNetwork:
    """The network of a preset without weights, on the meta device."""
    settings = read_preset(ClalaPreset, Role.REPORT, preset).clala
    with torch.device("meta"):
        return ClalaNetwork(
            settings.shape,
            settings.switches,
            settings.shape.text.vocabulary,
            (0, 101, 102),
            torch.zeros(14, 2, 8, dtype=torch.long),
        )


def count_clala() -> tuple[PublishedCount, ...]:
    """Counts at the paper's size. The paper names its parts and gives no figure of its own, so the
    published sizes of the parts stand beside ours."""
    counted = count_parameters(paper_network(), _PARTS)
    no_figure = "the paper gives no count"
    return (
        PublishedCount(
            "image encoder (ViT-B/16)",
            counted.by_part["image encoder"],
            86e6,
            "ViT-B, Dosovitskiy et al., table 1: 86 M",
        ),
        PublishedCount(
            "text encoder (BERT-base)",
            counted.by_part["text encoder"],
            110e6,
            "BERT-base, Devlin et al., section 3: 110 M",
            "without pooler, with a projection of its first token",
        ),
        PublishedCount(
            "lesion cross-attention",
            counted.by_part["lesion cross-attention"],
            math.nan,
            _SOURCE,
            no_figure,
        ),
        PublishedCount(
            "text decoder", counted.by_part["text decoder"], math.nan, _SOURCE, no_figure
        ),
        PublishedCount("stage 1, all", counted.trainable, math.nan, _SOURCE, no_figure),
    )
