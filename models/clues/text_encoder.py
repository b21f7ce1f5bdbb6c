"""Frozen sentence encoders of the transformers library: tokens, and vectors of many sentences."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from findings.errors import WeightsError
from models.language.loading import quiet_transformers

_BATCH = 64


class SentenceEncoder:
    """Sentences -> unit vectors: the mean of the last layer over the word pieces."""

    def __init__(self, tokenizer: Any, model: Any) -> None:
        self._tokenizer = tokenizer
        self.model = model.eval().requires_grad_(False)

    @classmethod
    def load(cls, folder: Path) -> SentenceEncoder:
        """Load safetensors, config and tokenizer from a folder; nothing is fetched.

        Raises:
            WeightsError: a file is missing or damaged.
        """
        from transformers import AutoModel

        try:
            with quiet_transformers():
                model = AutoModel.from_pretrained(
                    folder, local_files_only=True, use_safetensors=True
                )
        except (OSError, ValueError, RuntimeError) as error:
            raise _unusable(folder) from error
        return cls(load_tokenizer(folder), model)

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors ``(len(texts), width)``."""
        order = sorted(range(len(texts)), key=lambda place: len(texts[place]))
        vectors = np.zeros((len(texts), self.model.config.hidden_size), dtype=np.float32)
        for start in range(0, len(order), _BATCH):
            rows = order[start : start + _BATCH]
            tokens = tokenize(self._tokenizer, [texts[row] for row in rows], 128)
            with torch.inference_mode():
                states = self.model(
                    input_ids=tokens[:, 0], attention_mask=tokens[:, 1]
                ).last_hidden_state
                weight = tokens[:, 1, :, None].float()
                pooled = (states * weight).sum(dim=1) / weight.sum(dim=1)
            vectors[rows] = torch.nn.functional.normalize(pooled, dim=-1).numpy()
        return vectors


def load_tokenizer(folder: Path) -> Any:
    """The tokenizer of a model, from its folder.

    Raises:
        WeightsError: it is missing or damaged.
    """
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError, RuntimeError) as error:
        raise _unusable(folder) from error


def bert_weights(folder: Path) -> dict[str, Tensor]:
    """Weights of a BERT encoder by `PooledText`'s names, from its folder.

    Raises:
        WeightsError: they are missing, or not kept as safetensors.
    """
    from transformers import BertModel

    try:
        with quiet_transformers():
            loaded = BertModel.from_pretrained(
                folder, add_pooling_layer=False, local_files_only=True, use_safetensors=True
            )
    except (OSError, ValueError, RuntimeError) as error:
        raise _unusable(folder) from error
    return {f"text.encoder.{name}": value for name, value in loaded.state_dict().items()}


def tokenize(tokenizer: Any, texts: Sequence[str], longest: int) -> Tensor:
    """Token numbers and attention mask, ``(texts, 2, length)``, padded to the longest of them."""
    tokens = tokenizer(
        list(texts), padding=True, truncation=True, max_length=longest, return_tensors="pt"
    )
    return torch.stack([tokens["input_ids"], tokens["attention_mask"]], dim=1)


def _unusable(folder: Path) -> WeightsError:
    return WeightsError(
        f"the text encoder in the folder {folder.name} cannot be loaded: it needs config.json, "
        "model.safetensors and the tokenizer's files"
    )
