"""What a report model is to the rest of the program: its name, what it writes, how it searches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from findings.vocabulary import Language


class ReportModelName(StrEnum):
    """The report models, each named for its paper."""

    RADIXPERT_FUSION = "radixpert_fusion"
    RADIXPERT_ANATOMY = "radixpert_anatomy"
    CLINIQURE = "cliniqure"
    CLALA = "clala"
    TRRG = "trrg"


class Decoding(BaseModel):
    """How a report is searched for; by default greedily."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    beams: int = Field(default=1, gt=0, le=16)
    sample: bool = Field(default=False, description="draw tokens by the seed; beams are not used")
    temperature: float = Field(default=1.0, gt=0, le=5, description="for sampling")
    top_p: float = Field(default=1.0, gt=0, le=1, description="for sampling")
    most_tokens: int = Field(default=80, gt=0, le=1024, description="a report is cut there")
    repetition_penalty: float = Field(default=1.0, ge=1, le=3)
    no_repeat_ngram: int = Field(default=0, ge=0, le=10, description="0 is off")


@dataclass(frozen=True, slots=True)
class WrittenReport:
    """One report: its sentences, and the text they came from."""

    sentences: tuple[str, ...]
    text: str


class ReportWriter(Protocol):
    """A trained report model, ready to write."""

    @property
    def name(self) -> ReportModelName:
        """Which paper's."""

    @property
    def language(self) -> Language:
        """The language of its reports."""

    def write(
        self,
        displays: Sequence[NDArray[np.float32]],
        seed: int = 0,
        decoding: Decoding | None = None,
    ) -> tuple[WrittenReport, ...]:
        """Report on a batch of radiographs; the same for the same input, settings and seed.

        Each display is float32 ``(height, width)`` in [0, 1], bright where the chest is dense,
        upright. ``decoding`` replaces the settings that the model was saved with.

        Raises:
            StudyError: an array is not such an image.
        """
