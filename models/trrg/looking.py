"""What TRRG is shown of a film by its frozen parts: image tokens, and the clues nearest to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.classifier.inference import FindingClassifier
from models.clues.inference import ClueRetriever
from models.clues.text_encoder import SentenceEncoder, load_tokenizer, tokenize
from models.data.files import cached
from models.reports.vision import ImageVectors, TrunkEncoder
from models.trrg.injection import ToldClues, choose_clues, device_prompts, told_prompts
from models.trrg.network import Switches, TrrgShape

_BATCH: Final = 32
_LONGEST: Final = 32


@dataclass(frozen=True, slots=True)
class ClueText:
    """The told prompts' words as a frozen text encoder gives them, and the device prompts.

    ``vectors`` ``(prompts, words, width)``, ``present`` bool ``(prompts, words)``; ``devices``
    ``(device prompts, retriever width)``, unit vectors in the retriever's space.
    """

    vectors: Tensor
    present: Tensor
    devices: NDArray[np.float32]


def read_clue_text(encoder_folder: Path, sentences: Path, retriever: ClueRetriever) -> ClueText:
    """Encode the prompts.

    ``encoder_folder`` holds the frozen text encoder whose word vectors are told; ``sentences``
    the sentence encoder that the retriever was trained with, which places the device prompts.

    Raises:
        WeightsError: an encoder is missing or damaged.
    """
    encoder = SentenceEncoder.load(encoder_folder)
    tokens = tokenize(
        load_tokenizer(encoder_folder), [prompt.text for prompt in told_prompts()], _LONGEST
    )
    with torch.inference_mode():
        states: Tensor = encoder.model(
            input_ids=tokens[:, 0], attention_mask=tokens[:, 1]
        ).last_hidden_state
    placer = encoder if sentences == encoder_folder else SentenceEncoder.load(sentences)
    devices = retriever.sentence_vectors(placer.encode([p.text for p in device_prompts()]))
    return ClueText(states.float().clone(), tokens[:, 1].bool(), devices)


class ClueChooser:
    """Chooses clues by the maps of the shared trunk."""

    def __init__(
        self,
        retriever: ClueRetriever,
        devices: NDArray[np.float32],
        shape: TrrgShape,
        switches: Switches,
    ) -> None:
        self._retriever, self._devices = retriever, devices
        self._shape, self._switches = shape, switches

    def choose(self, maps: NDArray[np.float32]) -> ToldClues:
        """Clues of films by their trunk maps ``(films, channels, rows, columns)``.

        Raises:
            StudyError: the maps are not those of the trunk.
        """
        return self.choose_near(self._retriever.vectors(maps))

    def choose_near(self, vectors: NDArray[np.float32]) -> ToldClues:
        """Clues of films by their places in the retriever's space."""
        return choose_clues(
            self._retriever.prompt_cosines(vectors),
            vectors @ self._devices.T,
            self._retriever.scale,
            self._shape.clues,
            self._switches.keep_devices,
        )


def placed_films(
    trunk: TrunkEncoder,
    vectors: ImageVectors,
    retriever: ClueRetriever,
    folder: Path,
    key: str,
) -> NDArray[np.float32]:
    """Places of many films in the retriever's space, computed once and kept in ``folder``."""

    def place() -> NDArray[np.float32]:
        parts = []
        for start in range(0, len(vectors), _BATCH):
            films = np.arange(start, min(start + _BATCH, len(vectors)), dtype=np.int64)
            parts.append(retriever.vectors(as_maps(vectors(films), trunk.rows, trunk.columns)))
        return np.concatenate(parts)

    return cached(folder, f"clue-places-{key}", place)


def as_maps(tokens: Tensor, rows: int, columns: int) -> NDArray[np.float32]:
    """Tokens ``(films, rows * columns, width)`` as maps ``(films, width, rows, columns)``."""
    cells = tokens.transpose(1, 2)
    maps: NDArray[np.float32] = cells.reshape(*cells.shape[:2], rows, columns).numpy()
    return maps


def trunk_maps(
    displays: Sequence[NDArray[np.float32]], classifier: FindingClassifier
) -> NDArray[np.float32]:
    """The shared trunk's maps of displays."""
    return np.stack([classifier.features(display) for display in displays])
