"""Radixpert's second version at the paper's size, counted beside the paper's Table II."""

from __future__ import annotations

from typing import Any, Final

import torch

from models.language.architectures import meta_language_model
from models.radixpert_anatomy.network import AnatomyNetwork
from models.radixpert_anatomy.preset import ROWS, AnatomyPreset
from models.reports.counting import ParameterCount, PublishedCount, count_parameters
from models.reports.vision import meta_vision_model
from models.training.presets import read_preset
from models.training.roles import Role

PRESET: Final = "radixpert_anatomy-paper"
_MODEL: Final = "medgemma-4b"
_ENCODER: Final = "clip-vit-b-16"
_PATCH_WIDTH: Final = 768
_PARTS: Final = {"lora_": "adapters", "semantic": "1 x 1 convolution", "fusion": "projector"}

_TRAINED: Final = (
    "rank 64 on all linear layers of MedGemma's 34 blocks is 119.2 M; the projector's width, which "
    "the paper does not give, was chosen to give its figure"
)
_WHOLE: Final = (
    "the paper's share of 1.8 % goes with a whole of 7,000 M; MedGemma 4b's language model has "
    "3.9 billion parameters, with a ViT-B 4.0, so that 126 M are 3.1 %"
)


def paper_network(row: str) -> AnatomyNetwork:
    """The network of a row at the paper's size, on the meta device; encoder ViT-B/16, 14 × 14."""
    preset = read_preset(AnatomyPreset, Role.REPORT, PRESET)
    language: Any = meta_language_model(_MODEL)
    switches = ROWS[row].model_copy(update={"visual_lora": False})
    with torch.device("meta"):
        return AnatomyNetwork(
            language,
            None,  # type: ignore[arg-type]  # no text is read on the meta device
            _PATCH_WIDTH,
            preset.shape,
            switches,
            preset.decoding.most_tokens,
            held=meta_vision_model(_ENCODER),
        )


def paper_count(row: str) -> ParameterCount:
    """Its parameters; adapters of the image encoder are not among them."""
    return count_parameters(paper_network(row), _PARTS)


def count_radixpert_anatomy() -> tuple[PublishedCount, ...]:
    """Table II's trained parameters and the whole that they are a share of."""
    counted = paper_count("anatomy")
    return (
        PublishedCount("anatomy", counted.trainable, 126e6, "Table II", _TRAINED),
        PublishedCount("whole", counted.total, 7000e6, "Table II", _WHOLE),
    )
