"""Training reports of images that look alike, as examples in a prompt.

Radixpert's second version plans this (section VII): the training set's image embeddings are the
index, and what is found steers style and content. A report model of its own is free to copy from
them; in a draft the rule stays that a neighbour alone carries no finding.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from findings.errors import WeightsError
from models.shipping import file_sha256

VECTORS: Final = "neighbours.npy"
TEXTS: Final = "neighbours.json"


class _Texts(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    texts: tuple[str, ...]
    patients: tuple[str, ...]
    vectors_sha256: str


class NearestReports:
    """Reports by the cosine of their images' mean vectors."""

    def __init__(
        self, vectors: NDArray[np.float32], texts: Sequence[str], patients: Sequence[str]
    ) -> None:
        """``vectors`` is ``(reports, width)``, one for each text and patient."""
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        self._vectors = vectors / np.maximum(lengths, 1e-12)
        self._texts = tuple(texts)
        self._patients = tuple(patients)

    def nearest(self, vector: NDArray[np.float32], most: int, patient: str = "") -> list[str]:
        """The nearest reports, best first; none of the patient that is named."""
        scores = self._vectors @ vector
        order = np.argsort(-scores, kind="stable")
        found: list[str] = []
        for place in order:
            if not patient or self._patients[place] != patient:
                found.append(self._texts[place])
            if len(found) == most:
                break
        return found

    def save(self, folder: Path) -> None:
        """Write the index beside a model's weights."""
        np.save(folder / VECTORS, self._vectors.astype(np.float16), allow_pickle=False)
        held = _Texts(
            texts=self._texts,
            # Which patients were learnt from is nobody's business; rows of one are told apart.
            patients=tuple(str(number) for number, _ in enumerate(self._patients)),
            vectors_sha256=file_sha256(folder / VECTORS),
        )
        (folder / TEXTS).write_text(held.model_dump_json() + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> NearestReports:
        """Read what `save` wrote.

        Raises:
            WeightsError: it is missing or damaged.
        """
        try:
            held = _Texts.model_validate_json((folder / TEXTS).read_bytes())
            if file_sha256(folder / VECTORS) != held.vectors_sha256:
                raise ValueError("checksum")
            vectors = np.load(folder / VECTORS, allow_pickle=False)
        except (OSError, ValueError, ValidationError) as error:
            raise WeightsError(
                f"the reports that the model of {folder.name} retrieves are missing or damaged: "
                "train it again"
            ) from error
        return cls(vectors.astype(np.float32), held.texts, held.patients)
