"""BERTScore (Zhang et al., ICLR 2020) with any encoder folder, without a download.

Word pieces of both texts are matched greedily by the cosine of their contextual embeddings, here
of the encoder's last layer, without idf weights and without rescaling. The encoder that this
project pulls is all-MiniLM-L6-v2; figures of different encoders do not compare.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from findings.errors import WeightsError

if TYPE_CHECKING:
    import torch

ENCODER: Final = "all-minilm-l6-v2"
"""The artefact whose folder is used where no other is given."""
_LONGEST: Final = 512
_BATCH: Final = 32


class BertScorer:
    """Scores texts with the encoder in a folder as `save_pretrained` writes it."""

    def __init__(self, folder: Path, name: str = "") -> None:
        """Load encoder and tokenizer; `name` is how tables call it. Raises `WeightsError`."""
        from transformers import AutoModel, AutoTokenizer

        try:
            self._tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
            self._model: Any = AutoModel.from_pretrained(
                folder, local_files_only=True, use_safetensors=True
            ).eval()
        except (OSError, ValueError) as error:
            raise WeightsError(
                "The folder for BERTScore holds no encoder that can be loaded (config, tokenizer "
                f"and safetensors). Run 'readingroom models pull {ENCODER}' or give another."
            ) from error
        self.name = name or folder.name

    def score(self, generated: Sequence[str], references: Sequence[str]) -> NDArray[np.float64]:
        """Precision, recall and F1 of each report, ``(reports, 3)``; 0 where one is empty."""
        ours, theirs = self._embedded(generated), self._embedded(references)
        return np.array(
            [matched(one, other) for one, other in zip(ours, theirs, strict=True)],
            dtype=np.float64,
        ).reshape(len(ours), 3)

    def _embedded(self, texts: Sequence[str]) -> list[NDArray[np.float64]]:
        """Unit vectors of each text's word pieces, start and end left out."""
        import torch

        limit = min(_LONGEST, int(self._model.config.max_position_embeddings))
        found: list[NDArray[np.float64]] = []
        for start in range(0, len(texts), _BATCH):
            tokens = self._tokenizer(
                list(texts[start : start + _BATCH]),
                padding=True,
                truncation=True,
                max_length=limit,
                return_tensors="pt",
                return_special_tokens_mask=True,
            )
            special: torch.Tensor = tokens.pop("special_tokens_mask").bool()
            with torch.inference_mode():
                hidden = self._model(**tokens).last_hidden_state.float()
            hidden = hidden / hidden.norm(dim=-1, keepdim=True).clamp_min(1e-12)
            found += [row[~own].double().numpy() for row, own in zip(hidden, special, strict=True)]
        return found


def matched(
    generated: NDArray[np.float64], reference: NDArray[np.float64]
) -> tuple[float, float, float]:
    """Precision, recall and F1 of two sets of unit vectors, matched greedily."""
    if not len(generated) or not len(reference):
        return 0.0, 0.0, 0.0
    cosines = generated @ reference.T
    precision, recall = float(cosines.max(axis=1).mean()), float(cosines.max(axis=0).mean())
    both = precision + recall
    return precision, recall, 2 * precision * recall / both if both > 0 else 0.0
