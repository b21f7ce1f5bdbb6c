"""The text decoder of CLALA-Net: a BERT-type decoder that is shown one region at a time.

The paper names a Transformer decoder that foretells the next word from the words before and the
region's embedding. Here it is BERT with causal attention and cross-attention to that embedding.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn
from torch.nn import functional

from models.crude_report.tokens import END, PADDING, START, Vocabulary, split_words
from models.reports.contract import Decoding

_NO_TARGET = -100


class RegionWords(Protocol):
    """Texts and their numbers, for words or for word pieces."""

    @property
    def size(self) -> int:
        """How many numbers there are."""

    @property
    def special(self) -> tuple[int, int, int]:
        """Numbers of padding, start and end."""

    def encode(self, text: str) -> list[int]:
        """Numbers of a text, without start and end."""

    def decode(self, numbers: Sequence[int]) -> str:
        """The text behind numbers; special ones are left out."""


class WholeWords:
    """The words of the training sentences, for the small network."""

    special = (PADDING, START, END)

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary

    @property
    def size(self) -> int:
        """Words and special ones."""
        return len(self.vocabulary)

    def encode(self, text: str) -> list[int]:
        """Numbers of the words; whatever is no word is left out."""
        return self.vocabulary.encode(" ".join(split_words(text)))

    def decode(self, numbers: Sequence[int]) -> str:
        """Sentences with capitals and full stops."""
        return " ".join(self.vocabulary.sentences([n for n in numbers if n != START]))


class WordPieces:
    """A BERT tokenizer's word pieces, as in the paper."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self.special = (
            int(tokenizer.pad_token_id),
            int(tokenizer.cls_token_id),
            int(tokenizer.sep_token_id),
        )

    @property
    def size(self) -> int:
        """Word pieces and special ones."""
        return len(self._tokenizer)

    def encode(self, text: str) -> list[int]:
        """Numbers of the word pieces."""
        return [int(n) for n in self._tokenizer(text, add_special_tokens=False)["input_ids"]]

    def decode(self, numbers: Sequence[int]) -> str:
        """The text, its pieces joined."""
        return str(self._tokenizer.decode(list(numbers), skip_special_tokens=True))


class DecoderShape(BaseModel):
    """Sizes of the decoder; the defaults are BERT-base's, as in the paper."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    width: int = Field(default=768, gt=0)
    layers: int = Field(default=12, gt=0)
    heads: int = Field(default=12, gt=0)
    feed_forward: int = Field(default=3072, gt=0)
    most_tokens: int = Field(default=64, gt=0, le=512, description="of a region's text")
    dropout: float = Field(default=0.1, ge=0, lt=1)


class RegionDecoder(nn.Module):
    """Region embeddings ``(n, width)`` -> texts."""

    def __init__(
        self, shape: DecoderShape, region_width: int, words: int, special: tuple[int, int, int]
    ) -> None:
        """``special`` are the numbers of padding, start and end."""
        super().__init__()
        from transformers import BertConfig, BertLMHeadModel

        self.shape = shape
        self.padding, self.start, self.end = special
        config = BertConfig(
            vocab_size=words,
            hidden_size=shape.width,
            num_hidden_layers=shape.layers,
            num_attention_heads=shape.heads,
            intermediate_size=shape.feed_forward,
            hidden_dropout_prob=shape.dropout,
            attention_probs_dropout_prob=shape.dropout,
            pad_token_id=self.padding,
            bos_token_id=self.start,
            eos_token_id=self.end,
            is_decoder=True,
            add_cross_attention=True,
        )
        self.bert: Any = BertLMHeadModel(config)
        # BERT's cross-attention takes vectors of its own width.
        self.show: nn.Module = (
            nn.Identity() if region_width == shape.width else nn.Linear(region_width, shape.width)
        )

    def loss(self, regions: Tensor, tokens: Sequence[Sequence[int]]) -> Tensor:
        """Mean cross-entropy over the words of all texts, their ends included."""
        rows = [
            torch.tensor([self.start, *own[: self.shape.most_tokens - 1], self.end])
            for own in tokens
        ]
        words = nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=self.padding)
        lengths = torch.tensor([len(row) for row in rows])
        present = torch.arange(words.shape[1])[None] < lengths[:, None]
        device = regions.device
        scores: Tensor = self.bert(
            input_ids=words[:, :-1].to(device),
            attention_mask=present[:, :-1].long().to(device),
            encoder_hidden_states=self.show(regions)[:, None],
            use_cache=False,
        ).logits
        targets = words[:, 1:].masked_fill(~present[:, 1:], _NO_TARGET).to(device)
        return functional.cross_entropy(
            scores.flatten(0, 1), targets.flatten(), ignore_index=_NO_TARGET
        )

    def write(self, regions: Tensor, decoding: Decoding, seed: int = 0) -> list[list[int]]:
        """Numbers of one text for each region, with remembered keys and values.

        The same for the same input, settings and seed; the special numbers are left in.
        """
        import transformers

        library: Any = transformers

        settings: dict[str, Any] = {
            "max_new_tokens": min(decoding.most_tokens, self.shape.most_tokens),
            "num_beams": 1 if decoding.sample else decoding.beams,
            "do_sample": decoding.sample,
            "repetition_penalty": decoding.repetition_penalty,
            "no_repeat_ngram_size": decoding.no_repeat_ngram,
            "pad_token_id": self.padding,
            "bos_token_id": self.start,
            "eos_token_id": self.end,
        }
        if decoding.sample:
            settings |= {"temperature": decoding.temperature, "top_p": decoding.top_p, "top_k": 0}
        begun = torch.full((len(regions), 1), self.start, device=regions.device)
        with torch.inference_mode(), torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            found = self.bert.generate(
                input_ids=begun,
                attention_mask=torch.ones_like(begun),
                encoder_hidden_states=self.show(regions)[:, None],
                past_key_values=library.EncoderDecoderCache(
                    library.DynamicCache(), library.DynamicCache()
                ),
                generation_config=library.GenerationConfig(**settings),
            )
        return [[int(number) for number in row] for row in found]
