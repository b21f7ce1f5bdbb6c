"""Vectors before a prompt: the loss by hand, frozen parts, writing, and learning by heart."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from models.language.adapters import LoraSettings, adapters_of, add_lora
from models.reports.contract import Decoding
from models.reports.network import PartlyTrained
from models.reports.prefix import PrefixedLanguageModel

PROMPT = "Report of the chest:"
TEXTS = ["The heart is large.", "There is a small left pleural effusion. No pneumothorax."]


@pytest.fixture
def written(tiny_language_model: Callable[..., Any]) -> PrefixedLanguageModel:
    """A random model, nothing of which trains."""
    model, tokenizer = tiny_language_model()
    return PrefixedLanguageModel(model, tokenizer, most_tokens=40)


def by_hand(own: PrefixedLanguageModel, prefix: torch.Tensor, prompt: str, text: str) -> float:
    """Sum of -log p of one report's tokens, one forward pass for each token."""
    embed = own.model.get_input_embeddings()
    shown = torch.cat([prefix, embed(torch.tensor(own.tokens(prompt), dtype=torch.long))])
    total = 0.0
    for token in own.report_tokens(text):
        scores = own.model(inputs_embeds=shown[None]).logits[0, -1]
        total -= float(scores.log_softmax(-1)[token])
        shown = torch.cat([shown, embed(torch.tensor([token]))])
    return total


@pytest.mark.parametrize("prompts", ["", PROMPT, [PROMPT, "Report: no nodule."]])
def test_the_loss_is_the_mean_over_report_tokens(
    written: PrefixedLanguageModel, prompts: str | list[str]
) -> None:
    prefix = torch.randn(2, 3, written.width)
    each = [prompts] * 2 if isinstance(prompts, str) else prompts
    sums = [by_hand(written, prefix[i], each[i], TEXTS[i]) for i in range(2)]
    tokens = sum(len(written.report_tokens(text)) for text in TEXTS)
    assert float(written.loss(prefix, TEXTS, prompts)) == pytest.approx(
        sum(sums) / tokens, abs=1e-4
    )
    found = written.log_probability(prefix, TEXTS, prompts)
    assert found.tolist() == pytest.approx([-value for value in sums], abs=1e-3)


def test_a_long_report_is_cut_and_ended(written: PrefixedLanguageModel) -> None:
    written.most_tokens = 3
    assert len(written.report_tokens(TEXTS[1])) == 4
    assert written.report_tokens(TEXTS[1])[-1] == 2


def test_rows_of_different_prompts_are_written_as_if_alone(
    written: PrefixedLanguageModel,
) -> None:
    prefix = torch.randn(2, 3, written.width)
    prompts = ["The heart", "Report of the chest image: no nodule seen. The lungs"]
    for decoding in (Decoding(most_tokens=8), Decoding(most_tokens=8, beams=3)):
        together = written.write(prefix, decoding, prompts=prompts)
        alone = [written.write(prefix[i : i + 1], decoding, prompts=prompts[i])[0] for i in (0, 1)]
        assert together == alone
    drawn = [
        written.write(prefix, Decoding(most_tokens=8, sample=True), seed, prompts)
        for seed in (1, 1, 2)
    ]
    assert drawn[0] == drawn[1] != drawn[2]


class Shown(PartlyTrained):
    """One vector of its own for each of a few images, before an adapted language model."""

    def __init__(self, written: PrefixedLanguageModel, images: int) -> None:
        super().__init__()
        self.written = written
        add_lora(written.model, LoraSettings(rank=4, alpha=8, dropout=0.1))
        self.vectors = nn.Parameter(torch.randn(images, 2, written.width))
        self.frozen = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)).requires_grad_(False)


def test_adapters_start_without_effect_and_train_alone(written: PrefixedLanguageModel) -> None:
    prefix = torch.randn(2, 3, written.width)
    before = float(written.loss(prefix, TEXTS, PROMPT))
    network = Shown(written, 2)
    assert float(written.loss(prefix, TEXTS, PROMPT)) == pytest.approx(before, abs=1e-6)
    assert adapters_of(network) == ("default",)
    frozen = {n: p.clone() for n, p in network.named_parameters() if not p.requires_grad}
    optimiser = torch.optim.AdamW([p for p in network.parameters() if p.requires_grad], lr=0.05)
    network.train()
    assert not network.frozen[1].training and not network.frozen.training
    assert any(m.training for n, m in network.named_modules() if n.endswith("lora_dropout.default"))
    for _ in range(2):
        optimiser.zero_grad()
        network.frozen(torch.randn(4, 2))
        written.loss(network.vectors, TEXTS, PROMPT).backward()
        optimiser.step()
    now = dict(network.named_parameters())
    assert all(torch.equal(now[name], value) for name, value in frozen.items())
    assert network.frozen[1].num_batches_tracked == 0
    assert float(written.loss(prefix, TEXTS, PROMPT)) != pytest.approx(before, abs=1e-4)
    kept = network.state_dict()
    assert set(kept) == {n for n, p in network.named_parameters() if p.requires_grad}
    other = {name: torch.zeros_like(value) for name, value in kept.items()}
    network.load_state_dict(other)
    assert float(written.loss(prefix, TEXTS, PROMPT)) == pytest.approx(before, abs=1e-6)
    with pytest.raises(RuntimeError, match="1 trained parameters are missing, 1 are foreign"):
        other["elsewhere"] = other.pop("vectors")
        network.load_state_dict(other)


def test_a_second_adapter_acts_beside_the_first(written: PrefixedLanguageModel) -> None:
    prefix = torch.randn(2, 3, written.width)
    add_lora(written.model, LoraSettings(rank=2, alpha=4), "broad")
    for parameter in written.model.parameters():
        if parameter.requires_grad:
            nn.init.normal_(parameter)
    changed = float(written.loss(prefix, TEXTS, PROMPT))
    add_lora(written.model, LoraSettings(rank=2, alpha=4), "chest")
    assert float(written.loss(prefix, TEXTS, PROMPT)) == pytest.approx(changed, abs=1e-6)
    trained = [n for n, p in written.model.named_parameters() if p.requires_grad]
    assert trained and all(".chest." in name for name in trained)


def test_reports_are_learnt_by_heart(written: PrefixedLanguageModel) -> None:
    texts = [
        f"There is a {size} {side} {what}."
        for size in ("small", "large")
        for side in ("left", "right")
        for what in ("nodule", "pleural effusion")
    ]
    network = Shown(written, 8).train()
    optimiser = torch.optim.AdamW([p for p in network.parameters() if p.requires_grad], lr=0.03)
    for _ in range(120):
        optimiser.zero_grad()
        written.loss(network.vectors, texts, PROMPT).backward()
        optimiser.step()
    network.eval()
    for decoding in (Decoding(most_tokens=30), Decoding(most_tokens=30, beams=2)):
        assert written.write(network.vectors.detach(), decoding, prompts=PROMPT) == texts
