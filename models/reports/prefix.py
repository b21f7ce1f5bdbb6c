"""A causal language model that is shown vectors before a prompt, and writes the report after it.

Rows are laid out as [visual vectors][prompt][report][end]; the loss counts the report and its end
(Radixpert, second version, eq. 9; R2GenGPT, TRRG). The output layer, the largest of a small
model, is computed at the report's places alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.reports.contract import Decoding
from models.reports.sentences import tidy

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

_NO_TARGET = -100


class PrefixedLanguageModel(nn.Module):
    """Wraps a causal language model, which may carry adapters, and its tokenizer."""

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        most_tokens: int,
    ) -> None:
        """``most_tokens`` of a report are learnt; what is longer is cut."""
        super().__init__()
        self.model = model
        self.tokenizer = tokenizer
        self.most_tokens = most_tokens

    @property
    def width(self) -> int:
        """Length of the vectors that the model is shown."""
        return int(self._embedding.weight.shape[1])

    @property
    def dtype(self) -> torch.dtype:
        """Precision of the vectors that the model is shown."""
        return self._embedding.weight.dtype

    @property
    def _embedding(self) -> nn.Embedding:
        embedding: nn.Embedding = _untyped(self.model).get_input_embeddings()
        return embedding

    def tokens(self, text: str, most: int = 0) -> list[int]:
        """A text's tokens, without start and end; at most ``most`` where that is not 0."""
        found = _untyped(self.tokenizer)(text, add_special_tokens=False)["input_ids"]
        numbers = [int(number) for number in found]
        return numbers[:most] if most else numbers

    def report_tokens(self, text: str) -> list[int]:
        """A report's tokens, ended."""
        return [*self.tokens(text, self.most_tokens), self._end]

    def embed(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Word vectors ``(batch, tokens, width)`` of texts, and where there are any (bool)."""
        rows = [torch.tensor(self.tokens(text), dtype=torch.long) for text in texts]
        numbers = nn.utils.rnn.pad_sequence(rows, batch_first=True)
        lengths = torch.tensor([len(row) for row in rows])
        present = torch.arange(numbers.shape[1])[None] < lengths[:, None]
        device = self._embedding.weight.device
        vectors: Tensor = self._embedding(numbers.to(device))
        return vectors, present.to(device)

    def beginning(self, rows: int) -> Tensor:
        """The start token's vector ``(rows, 1, width)``, for what has no other prefix."""
        start = _untyped(self.tokenizer).bos_token_id
        number = torch.tensor([[self._end if start is None else int(start)]])
        vector: Tensor = self._embedding(number.to(self._embedding.weight.device))
        return vector.expand(rows, -1, -1)

    def loss(
        self,
        prefix: Tensor,
        texts: Sequence[str],
        prompts: str | Sequence[str] = "",
        **beside: Tensor,
    ) -> Tensor:
        """Mean cross-entropy over all report tokens of a batch.

        ``prefix`` is ``(batch, vectors, width)``, with one vector at least; ``beside`` is what
        else the model's blocks take, such as what they attend to across.
        """
        scores, targets = self._report_scores(prefix, texts, prompts, beside)
        return functional.cross_entropy(scores, targets)

    def log_probability(
        self,
        prefix: Tensor,
        texts: Sequence[str],
        prompts: str | Sequence[str] = "",
        **beside: Tensor,
    ) -> Tensor:
        """Log probability ``(batch,)`` of each report, its end included."""
        scores, targets = self._report_scores(prefix, texts, prompts, beside)
        found = -functional.cross_entropy(scores, targets, reduction="none")
        lengths = [len(self.report_tokens(text)) for text in texts]
        return torch.stack([part.sum() for part in torch.split(found, lengths)])

    def write(
        self,
        prefix: Tensor,
        decoding: Decoding,
        seed: int = 0,
        prompts: str | Sequence[str] = "",
        **beside: Tensor,
    ) -> list[str]:
        """One text for each row; the same for the same input, settings and seed."""
        rows = [
            torch.cat(
                [
                    own,
                    self._embedding(
                        torch.tensor(self.tokens(prompt), dtype=torch.long, device=own.device)
                    ),
                ]
            )
            for own, prompt in zip(self._typed(prefix), _each(prompts, len(prefix)), strict=True)
        ]
        # Generation goes on at the right end, so rows are filled up on the left.
        longest = max(len(row) for row in rows)
        shown = torch.stack([functional.pad(row, (0, 0, longest - len(row), 0)) for row in rows])
        places = torch.arange(longest, device=shown.device)
        first = torch.tensor([longest - len(row) for row in rows], device=shown.device)
        present = (places[None] >= first[:, None]).long()
        return generate(
            self.model,
            self.tokenizer,
            decoding,
            seed,
            inputs_embeds=shown,
            attention_mask=present,
            **beside,
        )

    @property
    def _end(self) -> int:
        return int(_untyped(self.tokenizer).eos_token_id)

    def _typed(self, prefix: Tensor) -> Tensor:
        return prefix.to(self._embedding.weight.dtype)

    def _report_scores(
        self,
        prefix: Tensor,
        texts: Sequence[str],
        prompts: str | Sequence[str],
        beside: Mapping[str, Tensor],
    ) -> tuple[Tensor, Tensor]:
        """Scores ``(report tokens, vocabulary)`` of all rows in turn, and the tokens there."""
        device = self._embedding.weight.device
        rows, targets = [], []
        for prompt, text in zip(_each(prompts, len(texts)), texts, strict=True):
            before, report = self.tokens(prompt), self.report_tokens(text)
            rows.append(torch.tensor(before + report[:-1], dtype=torch.long))
            targets.append(torch.tensor([_NO_TARGET] * len(before) + report))
        vectors = prefix.shape[1]
        numbers = nn.utils.rnn.pad_sequence(rows, batch_first=True).to(device)
        shown = torch.cat([self._typed(prefix), self._embedding(numbers)], dim=1)
        lengths = torch.tensor([vectors + len(row) for row in rows], device=device)
        present = torch.arange(shown.shape[1], device=device)[None] < lengths[:, None]
        hidden = last_hidden(
            self.model, inputs_embeds=shown, attention_mask=present.long(), **beside
        )
        # What lies before a token foretells it: without a prompt the last vector of the prefix.
        wanted = nn.utils.rnn.pad_sequence(targets, batch_first=True, padding_value=_NO_TARGET).to(
            device
        )
        asked = wanted != _NO_TARGET
        head = _untyped(self.model).get_output_embeddings()
        scores: Tensor = head(hidden[:, vectors - 1 :][asked]).float()
        return scores, wanted[asked]


def last_hidden(model: PreTrainedModel, **shown: Any) -> Tensor:
    """What the model's blocks make of an input, before its output layer."""
    blocks = _untyped(model).get_decoder()
    hidden: Tensor = blocks(use_cache=False, **shown).last_hidden_state
    return hidden


def generate(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    decoding: Decoding,
    seed: int,
    **shown: Tensor,
) -> list[str]:
    """Search or sample texts after what is shown, with remembered keys and values."""
    from transformers import GenerationConfig

    from models.language.loading import quiet_transformers

    settings: dict[str, Any] = {
        "max_new_tokens": decoding.most_tokens,
        "num_beams": 1 if decoding.sample else decoding.beams,
        "do_sample": decoding.sample,
        "repetition_penalty": decoding.repetition_penalty,
        "no_repeat_ngram_size": decoding.no_repeat_ngram,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
        "bos_token_id": tokenizer.bos_token_id,
    }
    if decoding.sample:
        settings |= {"temperature": decoding.temperature, "top_p": decoding.top_p, "top_k": 0}
    with torch.inference_mode(), torch.random.fork_rng(devices=[]), quiet_transformers():
        torch.manual_seed(seed)
        found = _untyped(model).generate(
            generation_config=_untyped(GenerationConfig)(**settings), use_cache=True, **shown
        )
    return [tidy(text) for text in tokenizer.batch_decode(found, skip_special_tokens=True)]


def _untyped(thing: object) -> Any:
    """For calls of functions that their library leaves without types."""
    return thing


def _each(prompts: str | Sequence[str], rows: int) -> list[str]:
    return [prompts] * rows if isinstance(prompts, str) else list(prompts)
