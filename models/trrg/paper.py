"""Both stages of TRRG at the paper's size, on the meta device."""

from __future__ import annotations

import math
from typing import Any, Final

import torch

from models.clues.network import ClueNetwork, build_network
from models.clues.preset import CluePreset
from models.language.architectures import meta_language_model
from models.reports.counting import PublishedCount, count_parameters
from models.reports.prefix import PrefixedLanguageModel
from models.reports.vision import meta_vision_model
from models.training.presets import read_preset
from models.training.roles import Role
from models.trrg.injection import told_prompts
from models.trrg.network import TrrgNetwork
from models.trrg.preset import TrrgPreset

_SOURCE: Final = "TRRG, section 4, implementation details"
_WORDS: Final = 16


def paper_network(preset: str = "trrg-paper") -> TrrgNetwork:
    """The network of a preset around Mistral-7B, without weights, on the meta device."""
    settings = read_preset(TrrgPreset, Role.REPORT, preset).trrg
    model: Any = meta_language_model("mistral-7b")
    tokenizer: Any = None
    language = PrefixedLanguageModel(model, tokenizer, settings.shape.most_tokens)
    prompts = len(told_prompts())
    with torch.device("meta"):
        return TrrgNetwork(
            settings.shape,
            settings.switches,
            language,
            torch.zeros(prompts, _WORDS, settings.shape.clue_width),
            torch.ones(prompts, _WORDS, dtype=torch.bool),
        )


def first_stage(preset: str = "trrg") -> ClueNetwork:
    """The network of the first stage at the size of a preset of the clue retriever, likewise."""
    settings = read_preset(CluePreset, Role.CLUES, preset).clues
    with torch.device("meta"):
        return build_network(settings.image, settings.text, settings.width, settings.temperature)


def count_trrg() -> tuple[PublishedCount, ...]:
    """Counts at the paper's size. The paper states no count; its parts' published sizes stand
    beside ours where they have one."""
    network = paper_network()
    counted = count_parameters(network)
    frozen = counted.total - counted.trainable
    swin = count_parameters(meta_vision_model("swin-b")).total
    none = "the paper gives no count"
    first = first_stage()
    image: Any = first.image
    text: Any = first.text
    return (
        PublishedCount(
            "first stage: image encoder (Swin-B), learning",
            count_parameters(image.backbone).total,
            88e6,
            "Swin-B, Liu et al., table 1: 88 M",
            "88 M counts the classifier of 1.0 M parameters, which is left out here",
        ),
        PublishedCount(
            "first stage: text encoder (ClinicalBERT), learning",
            count_parameters(text.encoder).total,
            110e6,
            "BERT-base, Devlin et al., section 3: 110 M",
            "cased: 28,996 word pieces, where the 110 M have 30,522; without pooler",
        ),
        PublishedCount(
            "first stage: all, with both projections to 1,024 dimensions",
            count_parameters(first).trainable,
            math.nan,
            _SOURCE,
            none,
        ),
        PublishedCount(
            "language model (Mistral-7B), frozen",
            frozen,
            7e9,
            "Mistral-7B by its name; its publishers say 7.24 billion",
            "the name is rounded",
        ),
        PublishedCount(
            "image encoder (Swin-B), frozen",
            swin,
            88e6,
            "Swin-B, Liu et al., table 1: 88 M",
            "88 M counts the classifier of 1.0 M parameters, which is left out here",
        ),
        PublishedCount(
            "mapper, interaction and the layer to the language model",
            counted.trainable,
            math.nan,
            _SOURCE,
            none,
        ),
    )
