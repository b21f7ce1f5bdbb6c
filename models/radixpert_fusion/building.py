"""Putting a network of Radixpert's first version together from its pre-trained parts."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

from findings.errors import WeightsError
from findings.vocabulary import Language
from models.language.loading import (
    folder_sha256,
    load_language_model,
    located,
    quiet_transformers,
)
from models.radixpert_fusion.cross_attending import (
    CrossAttendingLanguageModel,
    MllamaEncoder,
    crossed_layers,
    language_half,
    with_cross_attention,
)
from models.radixpert_fusion.network import FusionNetwork
from models.radixpert_fusion.preset import FusionShape, FusionSwitches
from models.reports.preset import Backbones
from models.reports.prompts import REPORT_PROMPT
from models.reports.vision import ImageEncoder, load_image_encoder

OWN = "own"
"""As the image encoder's name: the one that the vision-language model itself has."""


def build_network(
    backbones: Backbones,
    cache: Path,
    patch_width: int,
    shape: FusionShape,
    switches: FusionSwitches,
    language: Language,
    most_tokens: int,
) -> FusionNetwork:
    """A network over a Llama that gets cross-attention layers, or over an Mllama that has them.

    Raises:
        WeightsError: a pre-trained part is missing, damaged, or of a kind that does not fit.
    """
    if shape.crossings:
        model, tokenizer = load_language_model(
            backbones.language,
            cache,
            dtype=backbones.language_dtype,
            sha256=backbones.language_sha256,
        )
        crossed: CrossAttendingLanguageModel = with_cross_attention(model, shape.crossings)
        for place in crossed_layers(crossed):
            layer: Any = crossed.model.layers[place]
            layer.cross_attn_attn_gate.data.fill_(shape.gate_start)
            layer.cross_attn_mlp_gate.data.fill_(shape.gate_start)
    else:
        crossed = language_half(_vision_language_model(backbones, cache))
        tokenizer = _tokenizer(located(backbones.language, cache, backbones.language_sha256))
    return FusionNetwork(
        crossed,
        tokenizer,
        patch_width,
        shape,
        switches,
        REPORT_PROMPT[language],
        most_tokens,
    )


def load_encoder(backbones: Backbones, cache: Path) -> ImageEncoder:
    """The image encoder that the settings name; ``own`` is the vision-language model's.

    Raises:
        WeightsError: it is missing, damaged, or of a kind that does not fit.
    """
    if backbones.vision != OWN:
        return load_image_encoder(backbones.vision, cache, backbones.vision_sha256)
    from transformers import AutoImageProcessor

    folder = located(backbones.language, cache, backbones.language_sha256)
    processors: Any = AutoImageProcessor
    try:
        processor = processors.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError) as error:
        raise WeightsError("The vision-language model has no usable image processor.") from error
    return MllamaEncoder(_vision_language_model(backbones, cache), processor, folder_sha256(folder))


def _vision_language_model(backbones: Backbones, cache: Path) -> Any:
    """The whole; its encoder and its language half share the memory of one."""
    folder = located(backbones.language, cache, backbones.language_sha256)
    return _read_whole(folder, backbones.language_dtype)


@lru_cache(maxsize=1)
def _read_whole(folder: Path, dtype: str) -> Any:
    import torch
    from transformers import AutoConfig, MllamaForConditionalGeneration

    models: Any = MllamaForConditionalGeneration
    configs: Any = AutoConfig
    try:
        with quiet_transformers():
            config = configs.from_pretrained(folder, local_files_only=True)
            if config.model_type != "mllama":
                # Another kind's config would be read as that of a random model of 11 billion.
                raise ValueError(config.model_type)
            model = models.from_pretrained(
                folder,
                dtype=getattr(torch, dtype),
                local_files_only=True,
                use_safetensors=True,
            )
    except Exception as error:  # transformers raises errors of many kinds
        raise WeightsError(
            f"The vision-language model cannot be loaded ({type(error).__name__}): it must be of "
            "Llama 3.2 Vision's kind, or the preset must say how many crossings a Llama gets."
        ) from error
    return model.eval().requires_grad_(False)


def _tokenizer(folder: Path) -> Any:
    from transformers import AutoTokenizer

    tokenizers: Any = AutoTokenizer
    tokenizer = tokenizers.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer
