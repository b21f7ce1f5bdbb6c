"""Radixpert's first version: fusion by hand, cross-attention put into a Llama, what trains."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from findings.errors import WeightsError
from findings.vocabulary import Language
from models.radixpert_fusion.building import build_network, load_encoder
from models.radixpert_fusion.cross_attending import (
    crossed_layers,
    crossed_places,
    language_half,
    with_cross_attention,
)
from models.radixpert_fusion.hierarchy import CrossLevel, HierarchicalFusion, LevelGate
from models.radixpert_fusion.network import BROAD, CHEST, FusionNetwork, pooled
from models.radixpert_fusion.paper import paper_count
from models.radixpert_fusion.preset import ROWS, FusionPreset, FusionShape, FusionSwitches
from models.reports.contract import Decoding
from models.reports.preset import Backbones
from models.reports.sentences import tidy
from models.training.presets import read_preset
from models.training.roles import Role

SHAPE = FusionShape(
    pooled=2, crossings=1, gate_start=0.5, inner=16, heads=2, gate_hidden=8, dropout=0.0
)
PROMPT = "Report of the chest:"
Make = Callable[..., Any]


def network_of(
    tiny: Make, switches: FusionSwitches, shape: FusionShape = SHAPE, layers: int = 2
) -> FusionNetwork:
    """Over a tiny random Llama; the gates of its cross-attention stand open."""
    model, tokenizer = tiny(layers=layers)
    torch.manual_seed(1)
    crossed = with_cross_attention(model, shape.crossings)
    for place in crossed_layers(crossed):
        layer: Any = crossed.model.layers[place]
        layer.cross_attn_attn_gate.data.fill_(shape.gate_start)
        layer.cross_attn_mlp_gate.data.fill_(shape.gate_start)
    return FusionNetwork(crossed, tokenizer, 12, shape, switches, PROMPT, 30)


# Hierarchical fusion


def attend(level: CrossLevel, patches: Tensor, context: Tensor) -> Tensor:
    """One level, patch by patch and head by head."""
    read = nn.functional.layer_norm(
        context, context.shape[-1:], level.norm_context.weight, level.norm_context.bias
    )
    asked = nn.functional.layer_norm(
        patches, patches.shape[-1:], level.norm_query.weight, level.norm_query.bias
    )
    q, k, v = asked @ level.query.weight.T, read @ level.key.weight.T, read @ level.value.weight.T
    size = q.shape[-1] // level.heads
    out = torch.zeros_like(q)
    for patch in range(len(q)):
        for head in range(level.heads):
            part = slice(head * size, (head + 1) * size)
            scores = [float(q[patch, part] @ row[part]) / math.sqrt(size) for row in k]
            shares = [math.exp(s) for s in scores]
            mixed = sum(s / sum(shares) * row[part] for s, row in zip(shares, v, strict=True))
            out[patch, part] = mixed
    return patches + out @ level.out.weight.T


def test_the_fusion_is_three_levels_weighed_by_the_gate() -> None:
    torch.manual_seed(0)
    fusion = HierarchicalFusion(8, 4, 2, 5, 0.0, gated=True).eval()
    patches, words = torch.randn(2, 3, 8), torch.randn(2, 4, 8)
    with torch.no_grad():
        found = fusion(patches, words)
        for row in range(2):
            low = attend(fusion.low, patches[row], words[row])
            mid = attend(fusion.mid, patches[row], torch.cat([patches[row], words[row]]))
            high = attend(fusion.high, mid, torch.cat([low, mid, words[row]]))
            gate: Any = fusion.gate
            means = torch.cat([level.mean(0) for level in (low, mid, high)])
            hidden = nn.functional.gelu(gate.mlp[0].weight @ means + gate.mlp[0].bias)
            raw = (gate.mlp[3].weight @ hidden + gate.mlp[3].bias).tolist()
            alpha = [math.exp(value) / sum(math.exp(other) for other in raw) for value in raw]
            assert found.weights[row].tolist() == pytest.approx(alpha, abs=1e-5)
            mixed = alpha[0] * low + alpha[1] * mid + alpha[2] * high
            assert torch.allclose(found.vectors[row], mixed, atol=1e-5)


def test_without_the_gate_levels_count_alike() -> None:
    fusion = HierarchicalFusion(8, 4, 2, 5, 0.0, gated=False)
    found = fusion(torch.randn(2, 3, 8), torch.randn(2, 4, 8))
    assert torch.equal(found.weights, torch.full((2, 3), 1 / 3))
    assert not isinstance(fusion.gate, LevelGate)


def test_patches_are_averaged_to_a_smaller_grid() -> None:
    grid = torch.arange(16.0).reshape(1, 16, 1)
    assert pooled(grid, 2)[0, :, 0].tolist() == [2.5, 4.5, 10.5, 12.5]
    assert pooled(grid, 0) is grid


# Cross-attention in a Llama


def test_crossings_lie_as_in_llama_3_2_vision() -> None:
    assert crossed_places(32, 8) == (3, 8, 13, 18, 23, 28, 33, 38)
    with pytest.raises(ValueError, match="no more than blocks"):
        crossed_places(2, 3)


def test_closed_gates_change_nothing(tiny_language_model: Make) -> None:
    model, _ = tiny_language_model(layers=4)
    crossed: Any = with_cross_attention(model, 2)
    assert crossed_layers(crossed) == (1, 4)
    tokens = torch.tensor([[5, 9, 120, 33, 7]])
    states = torch.randn(1, 6, 32)
    with torch.no_grad():
        plain = model(input_ids=tokens).logits
        through = crossed(input_ids=tokens, cross_attention_states=states).logits
        assert torch.allclose(plain, through, atol=1e-4)
        for place in crossed_layers(crossed):
            crossed.model.layers[place].cross_attn_attn_gate.fill_(1.0)
        opened = crossed(input_ids=tokens, cross_attention_states=states).logits
    assert not torch.allclose(plain, opened, atol=1e-3)


def test_writing_remembers_the_image(tiny_language_model: Make) -> None:
    network = network_of(tiny_language_model, FusionSwitches()).eval()
    vectors = torch.randn(3, 16, 12) * 3
    texts = network.write(vectors, Decoding(most_tokens=6))
    assert texts == [network.write(row[None], Decoding(most_tokens=6))[0] for row in vectors]
    # Token by token without any memory.
    tokens: list[int] = []
    with torch.no_grad():
        across = network.across(vectors[:1])
        embed = network.language.get_input_embeddings()
        start = [1, *network.written.tokens(PROMPT)]
        for _ in range(6):
            shown = embed(torch.tensor([start + tokens]))
            made: Any = network.language(inputs_embeds=shown, cross_attention_states=across)
            tokens.append(int(made.logits[0, -1].argmax()))
            if tokens[-1] == 2:
                break
    assert texts[0] == tidy(network.written.tokenizer.decode(tokens, skip_special_tokens=True))


# What trains


def grown(network: FusionNetwork, texts: list[str], steps: int, rate: float) -> list[float]:
    """Losses of steps on all texts, each with an image of its own."""
    vectors = torch.randn(len(texts), 16, 12, generator=torch.Generator().manual_seed(3)) * 2
    optimiser = torch.optim.AdamW([p for p in network.parameters() if p.requires_grad], lr=rate)
    losses = []
    network.train()
    for _ in range(steps):
        optimiser.zero_grad()
        loss = network.report_loss(vectors, texts)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        losses.append(float(loss.detach()))
    network.eval()
    return losses


TEXTS = [
    f"There is a {size} {side} {what}."
    for size in ("small", "large")
    for side in ("left", "right")
    for what in ("nodule", "pleural effusion")
]


def test_selective_tuning_learns_by_heart_and_leaves_the_rest(tiny_language_model: Make) -> None:
    network = network_of(tiny_language_model, FusionSwitches())
    before = {name: value.clone() for name, value in network.named_parameters()}
    trained = network.trained_names()
    assert {name for name in trained if name.startswith("written")} == {
        name for name in before if ".layers.1." in name or "lm_head" in name
    }
    losses = grown(network, TEXTS, 130, 8e-3)
    assert losses[-1] < 0.1 < losses[0]
    for name, value in network.named_parameters():
        if name not in trained:
            assert torch.equal(value, before[name]), name
    changed = {n for n, v in network.named_parameters() if not torch.equal(v, before[n])}
    assert {name.split(".")[0] for name in changed} == {"bridge", "fusion", "written"}
    vectors = torch.randn(8, 16, 12, generator=torch.Generator().manual_seed(3)) * 2
    assert network.write(vectors, Decoding(most_tokens=24)) == TEXTS


@pytest.mark.parametrize("row", ROWS)
def test_rows_differ_in_what_trains_and_say_something_else(
    tiny_language_model: Make, row: str
) -> None:
    network = network_of(tiny_language_model, ROWS[row])
    switches = ROWS[row]
    names = network.trained_names()
    assert any("lm_head" in name for name in names) == switches.language_head
    assert any("fusion.low" in name for name in names) == switches.hcf
    assert any("fusion.gate" in name for name in names) == switches.gating
    assert any(".chest." in name for name in names) == bool(switches.lora_rank)
    assert any(".broad." in name for name in names) == switches.multi_stage
    assert any(".final." in name for name in names) == bool(switches.final_lora_rank)
    full = network_of(tiny_language_model, FusionSwitches())
    vectors = torch.randn(2, 16, 12)
    same = torch.allclose(network.across(vectors), full.across(vectors), atol=1e-6)
    assert same == (row == "s_cmt" or (switches.hcf and switches.gating))


@pytest.mark.parametrize("row", ["s_cmt", "final_lora"])
def test_what_trains_is_single_precision_over_a_half_precision_rest(
    tiny_language_model: Make, row: str
) -> None:
    def halved(layers: int = 2) -> Any:
        model, tokenizer = tiny_language_model(layers=layers)
        return model.bfloat16(), tokenizer

    network = network_of(halved, ROWS[row])
    kinds = {p.requires_grad: p.dtype for p in network.parameters()}
    assert kinds == {True: torch.float32, False: torch.bfloat16}
    losses = grown(network, TEXTS[:2], 12, 1e-2)
    assert losses[-1] < 0.8 * losses[0]
    written = network.write(torch.randn(2, 16, 12), Decoding(most_tokens=4, beams=2))
    assert len(written) == 2


def test_each_stage_trains_its_own_adapters(tiny_language_model: Make) -> None:
    network = network_of(tiny_language_model, ROWS["final_lora"])
    for stage, own in ((BROAD, {"broad"}), (CHEST, {"chest", "final"})):
        network.stage(stage)
        held = {n: p.clone() for n, p in network.named_parameters() if "lora_" in n}
        open_ = {
            n.split(".")[-2]
            for n, p in network.named_parameters()
            if p.requires_grad and "lora_" in n
        }
        assert open_ == own
        grown(network, TEXTS[:2], 3, 1e-2)
        now = dict(network.named_parameters())
        moved = {n.split(".")[-2] for n, old in held.items() if not torch.equal(old, now[n])}
        assert moved == own
        assert {n for n in network.state_dict() if "lora_" in n} == set(held)


def test_switches_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(ValueError, match="nothing to gate"):
        FusionSwitches(hcf=False, gating=True)
    with pytest.raises(ValueError, match="no adapters to have stages"):
        FusionSwitches(multi_stage=True)


# The paper's size


def test_the_papers_parameters_add_up() -> None:
    counted = paper_count("final_lora")
    # Query and output; key and value; gate, up and down.
    block = 2 * (4096 + 4096) + 2 * (4096 + 1024) + 3 * (4096 + 14336)
    level = 4 * 4096 * 856 + 4 * 4096
    gate = 3 * 4096 * 1708 + 1708 + 3 * 1708 + 3
    table = {"lora": 16 * 32 * block, "final": 8 * 32 * block, "hcf": 3 * level, "gating": gate}
    assert counted.trainable == 2 * table["lora"] + table["hcf"] + gate + table["final"]
    steps = [table["lora"], table["lora"], table["hcf"], table["gating"], table["final"]]
    millions = [round(sum(steps[: place + 1]) / 1e6) for place in range(5)]
    assert millions == [42, 84, 126, 147, 168]
    assert counted.total - counted.trainable == 10_670_220_835
    assert counted.by_part["gate"] == gate and counted.by_part["fusion"] == table["hcf"]


def test_selective_tuning_is_far_more_than_the_paper_says() -> None:
    counted = paper_count("s_cmt")
    crossing = 2 * 4096 * 4096 + 2 * 4096 * 1024 + 3 * 4096 * 14336 + 2 * 4096 + 2 * 128 + 2
    assert counted.by_part["cross-attention"] == 8 * crossing
    assert counted.by_part["language head"] == 128256 * 4096
    assert counted.share > 0.2


def test_presets_are_read_and_say_what_the_paper_says() -> None:
    paper = read_preset(FusionPreset, Role.REPORT, "radixpert_fusion-paper")
    assert (paper.loop.optimiser, paper.loop.weight_decay, paper.loop.clip_norm) == (
        "adam",
        0.01,
        1,
    )
    assert (paper.cases.most_cases, paper.cases.language, paper.loop.patience) == (16000, "es", 3)
    assert paper.shape.dropout == 0.1 and paper.broad_loop() is not None
    small = read_preset(FusionPreset, Role.REPORT, "radixpert_fusion-small")
    assert small.shape.crossings and small.broad_loop() is not None


def test_a_whole_vision_language_model_is_used_as_it_is(
    tiny_tokenizer: Any, tiny_language_folder: Path, chest_film: Make, tmp_path: Path
) -> None:
    from transformers import MllamaConfig, MllamaForConditionalGeneration, MllamaImageProcessor

    text = {
        "vocab_size": len(tiny_tokenizer),
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "cross_attention_layers": [1],
        "pad_token_id": 0,
        "bos_token_id": 1,
        "eos_token_id": 2,
    }
    vision = {
        "hidden_size": 8,
        "intermediate_size": 8,
        "num_hidden_layers": 2,
        "num_global_layers": 1,
        "attention_heads": 2,
        "image_size": 28,
        "patch_size": 14,
        "vision_output_dim": 16,
        "intermediate_layers_indices": [0],
    }
    config: Any = MllamaConfig(text_config=text, vision_config=vision)
    whole: Any = MllamaForConditionalGeneration(config).eval()
    half: Any = language_half(whole)
    tokens, states = torch.tensor([[3, 4, 5]]), torch.randn(1, 5, 16)
    with torch.no_grad():
        assert torch.equal(
            half(input_ids=tokens, cross_attention_states=states).logits,
            whole(input_ids=tokens, cross_attention_states=states).logits.float(),
        )
    folder = tmp_path / "whole"
    whole.save_pretrained(folder)
    tiny_tokenizer.save_pretrained(folder)
    MllamaImageProcessor(size={"height": 28, "width": 28}).save_pretrained(folder)
    named = Backbones(language=str(folder), vision="own")
    encoder = load_encoder(named, tmp_path)
    films = [chest_film(40, 40), chest_film(64, 30)]
    vectors = encoder.encode(films)
    assert vectors.shape == (2, encoder.rows * encoder.columns, encoder.width) == (2, 4, 16)
    assert not torch.allclose(vectors[0], vectors[1])
    shape = SHAPE.model_copy(update={"crossings": 0, "pooled": 0})
    network = build_network(named, tmp_path, 16, shape, FusionSwitches(), Language.SPANISH, 12)
    assert isinstance(network.bridge, nn.Identity)
    trained = {name.split(".")[0] for name in network.trained_names()}
    assert trained == {"fusion", "written"}
    texts = network.eval().write(vectors, Decoding(most_tokens=5))
    assert len(texts) == 2
    with pytest.raises(WeightsError, match="Vision's kind"):
        build_network(
            Backbones(language=str(tiny_language_folder)),
            tmp_path,
            16,
            shape,
            FusionSwitches(),
            Language.SPANISH,
            12,
        )
