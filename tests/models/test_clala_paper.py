"""CLALA-Net at the paper's size, over the paper's encoders, and loaded from a folder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from clala_small import CLAIMS, EVERY, SETTINGS, WORDS, build, plain, writer

from findings.errors import WeightsError
from findings.vocabulary import Language
from models.clala.decoder import WordPieces
from models.clala.inference import load_clala
from models.clala.lesions import LESIONS
from models.clala.network import ClalaNetwork, RegionEyeShape, RegionViews, Switches
from models.clala.paper import count_clala, paper_network
from models.clala.preset import ClalaPreset
from models.clala.region_sentences import compose_region
from models.clala.task import ClalaTask, Films
from models.clala.texts import TextTokens, lesion_names
from models.clala.training import vit_weights
from models.classifier.inference import FindingClassifier
from models.clues.encoder_folder import text_encoder_sha256
from models.clues.preset import TextEncoderSettings
from models.clues.text_encoder import bert_weights, load_tokenizer
from models.reports.checkpoint import save_report_model
from models.reports.contract import ReportModelName
from models.training.presets import read_preset
from models.training.roles import Role

pytestmark = pytest.mark.usefixtures("experts_look_once")


def test_the_paper_preset_builds_on_the_meta_device() -> None:
    preset = read_preset(ClalaPreset, Role.REPORT, "clala-paper")
    assert (preset.loop.batch_size, preset.loop.weight_decay) == (24, 0.05)
    assert (preset.clala.size, preset.clala.fine_tuning.size) == (224, 384)
    assert preset.clala.fine_tuning.learning_rate == 1e-5
    network = paper_network()
    assert next(network.parameters()).device.type == "meta"
    counts = {count.row: count for count in count_clala()}
    # ViT-B/16 without its classifier: 85.8 million.
    assert counts["image encoder (ViT-B/16)"].ours == 85_798_656
    # BERT-base is 109,482,240 with its pooler of 590,592; a projection of as many is here.
    assert counts["text encoder (BERT-base)"].ours == 109_482_240
    network.for_fine_tuning()
    learning = {n.partition(".")[0] for n, p in network.named_parameters() if p.requires_grad}
    assert learning == {"attention", "decoder"}


def test_the_small_preset_says_what_it_trains() -> None:
    preset = read_preset(ClalaPreset, Role.REPORT, "clala-small")
    assert preset.second_stage().steps == preset.clala.fine_tuning.steps
    assert preset.second_stage().learning_rate == preset.clala.fine_tuning.learning_rate
    assert isinstance(preset.clala.shape.text, TextEncoderSettings)


# The paper's backbones


def test_a_published_vision_transformer_is_taken_up(tmp_path: Path) -> None:
    from transformers import ViTConfig, ViTModel

    torch.manual_seed(3)
    config = ViTConfig(
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=128,
        image_size=32,
        patch_size=16,
    )
    published = ViTModel(config, add_pooling_layer=False)
    published.save_pretrained(tmp_path)
    shape = SETTINGS.shape.model_copy(
        update={
            "width": 32,
            "eye": RegionEyeShape(layers=2, heads=2, size=32),
            "decoder": SETTINGS.shape.decoder.model_copy(update={"width": 32}),
        }
    )
    network = ClalaNetwork(shape, Switches(), WORDS.size, WORDS.special, torch.zeros(14, 16))
    weights = vit_weights(tmp_path, 32)
    missing = network.load_state_dict(weights, strict=False)
    assert not missing.unexpected_keys
    assert not any(name.startswith("eye.") for name in missing.missing_keys)
    states = dict(published.state_dict())
    same = [
        n for n, v in states.items() if torch.equal(v, network.state_dict()[f"eye.encoder.{n}"])
    ]
    assert len(same) == len(states) > 20
    with pytest.raises(WeightsError, match="32 pixels"):
        vit_weights(tmp_path, 224)
    with pytest.raises(WeightsError, match="cannot be loaded"):
        vit_weights(tmp_path / "nowhere", 32)


def test_regions_cut_out_and_read_by_a_bert_that_learns() -> None:
    """The paper's kind of network, tiny: one step moves both encoders."""
    text = TextEncoderSettings(
        model="none", frozen=False, hidden=16, layers=1, heads=2, vocabulary=40
    )
    shape = SETTINGS.shape.model_copy(
        update={
            "width": 16,
            "eye": RegionEyeShape(layers=1, heads=2, size=32),
            "text": text,
            "decoder": SETTINGS.shape.decoder.model_copy(update={"width": 16}),
        }
    )
    torch.manual_seed(0)

    def tokens(texts: Sequence[str]) -> torch.Tensor:
        ids = torch.tensor([[2, len(text) % 30 + 4, sum(text.encode()) % 30 + 4] for text in texts])
        return torch.stack([ids, torch.ones_like(ids)], dim=1)

    network = ClalaNetwork(
        shape, Switches(), WORDS.size, WORDS.special, tokens([str(own) for own in LESIONS])
    )

    def patches(films: np.ndarray) -> RegionViews:
        shown = torch.stack(
            [torch.rand(11, 32, 32, generator=torch.Generator().manual_seed(int(f))) for f in films]
        )
        return RegionViews(torch.ones(len(films), 11, dtype=torch.bool), patches=shown)

    own = ClalaTask(
        SETTINGS.model_copy(update={"shape": shape}),
        3,
        0.0,
        Films(CLAIMS, EVERY, EVERY),
        patches,
        lambda film, region, random: compose_region(CLAIMS[film], region, plain, random),
        WORDS,
        tokens,
        lambda: network,
    )
    own.loss(network, np.random.default_rng(0)).backward()
    trunk = own.trunk_parameters(network)
    assert trunk and all(p.grad is not None for p in trunk)
    for part in ("eye", "read", "attention", "decoder", "to_text"):
        grads = [p.grad for n, p in network.named_parameters() if n.startswith(f"{part}.")]
        assert any(g is not None and bool(g.abs().sum() > 0) for g in grads), part


# From the folder to a report


def test_a_folder_is_loaded_and_writes(
    tmp_path: Path, chest_film: Callable[[int, int], np.ndarray]
) -> None:
    classifier = FindingClassifier.load()
    eye = SETTINGS.shape.eye.model_copy(update={"channels": 1280})
    shape = SETTINGS.shape.model_copy(update={"eye": eye})
    torch.manual_seed(0)
    network = ClalaNetwork(shape, Switches(), WORDS.size, WORDS.special, torch.randn(14, 16))
    config = writer(build()).config.model_copy(
        update={"shape": shape, "vision_sha256": classifier.config.weights_sha256}
    )
    save_report_model(tmp_path, network.state_dict(), config)
    loaded = load_clala(tmp_path, tmp_path)
    films = [chest_film(64, 64), chest_film(80, 72)]
    reports = loaded.write(films)
    assert len(reports) == 2 and loaded.write(films) == reports
    assert reports[0].text == " ".join(reports[0].sentences)
    assert loaded.name is ReportModelName.CLALA and loaded.language is Language.ENGLISH
    # Labels that are given take the place of the classifier's, and no film is needed for them.
    assert loaded.label(films[0]).shape == (14,)
    save_report_model(
        tmp_path, network.state_dict(), config.model_copy(update={"vision_sha256": "other"})
    )
    with pytest.raises(WeightsError, match="finding classifier"):
        load_clala(tmp_path, tmp_path)


def test_a_text_encoder_in_anothers_place_is_refused(
    tmp_path: Path, tiny_text_encoder: Callable[..., Path]
) -> None:
    encoder = tiny_text_encoder(tmp_path / "bert")
    classifier = FindingClassifier.load()
    tokenizer = load_tokenizer(encoder)
    words, texts = WordPieces(tokenizer), TextTokens(tokenizer, 32)(lesion_names())
    text = TextEncoderSettings(
        model=str(encoder), frozen=False, hidden=32, layers=1, heads=2, vocabulary=words.size
    )
    eye = SETTINGS.shape.eye.model_copy(update={"channels": 1280})
    shape = SETTINGS.shape.model_copy(update={"eye": eye, "text": text})
    network = ClalaNetwork(shape, Switches(), words.size, words.special, texts)
    published = bert_weights(encoder)
    named = {name.replace("text.", "read.", 1): own for name, own in published.items()}
    assert not network.load_state_dict(named, strict=False).unexpected_keys
    config = writer(build()).config.model_copy(
        update={
            "shape": shape,
            "vocabulary": None,
            "lesion_tokens": int(texts.shape[-1]),
            "vision_sha256": classifier.config.weights_sha256,
            "text_sha256": text_encoder_sha256(encoder),
        }
    )
    weights = tmp_path / "weights"
    save_report_model(weights, network.state_dict(), config)
    load_clala(weights, tmp_path)
    tiny_text_encoder(encoder, seed=1)
    with pytest.raises(WeightsError, match="text encoder is not the one"):
        load_clala(weights, tmp_path)
    # Weights of before the checksum was recorded are still read.
    save_report_model(weights, network.state_dict(), config.model_copy(update={"text_sha256": ""}))
    load_clala(weights, tmp_path)
