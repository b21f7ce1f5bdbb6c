"""The writer: a frozen causal language model with adapters, answering a prompt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from torch import Tensor

from models.cliniqure.prompting import answer
from models.language.adapters import LoraSettings, add_lora
from models.reports.contract import Decoding
from models.reports.network import PartlyTrained
from models.reports.prefix import PrefixedLanguageModel

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


class CliniqureWriter(PartlyTrained):
    """OPT-1.3b in the paper, any causal language model here; only the adapters are trained.

    The paper encodes diseases as numbers and resizes the token embeddings for a padding token;
    here the answer is text, as generation needs it, and padding is masked, so that the frozen
    embeddings stay as they are.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        lora: LoraSettings | None,
        answer_tokens: int,
    ) -> None:
        """Without ``lora`` nothing is trained: the paper's base model."""
        super().__init__()
        model.requires_grad_(False)
        if lora is not None:
            add_lora(model, lora)
        self.writer = PrefixedLanguageModel(model, tokenizer, answer_tokens)

    def loss(self, prompts: Sequence[str], answers: Sequence[str]) -> Tensor:
        """Mean cross-entropy over the answers' tokens; prompts are not learnt."""
        return self.writer.loss(
            self.writer.beginning(len(prompts)), [answer(a) for a in answers], prompts
        )

    def log_probability(self, prompts: Sequence[str], answers: Sequence[str]) -> Tensor:
        """Log probability ``(batch,)`` of each answer."""
        return self.writer.log_probability(
            self.writer.beginning(len(prompts)), [answer(a) for a in answers], prompts
        )

    def write(self, prompts: Sequence[str], decoding: Decoding, seed: int = 0) -> list[str]:
        """One text for each prompt; the same for the same prompts, settings and seed."""
        return self.writer.write(self.writer.beginning(len(prompts)), decoding, seed, prompts)
