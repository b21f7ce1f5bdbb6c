"""What every training run of a report model begins and ends with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

import torch

from findings.errors import SettingsError
from models.language.loading import language_model_sha256, load_language_model
from models.reports.cases import CaseSet, read_cases
from models.reports.checkpoint import ReportConfig, save_report_model
from models.reports.guards import refuse_mirroring
from models.reports.preset import Backbones, ReportPreset
from models.reports.vision import ImageEncoder, ImageVectors, encoded_images, load_image_encoder
from models.training.loop import TrainingLoop
from models.training.outcome import Outcome
from models.training.presets import LoopSettings
from models.training.request import CACHE, TrainingRequest

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from models.training.loop import Task

VERSION: Final = "1.0.0"
LICENCE: Final = "Apache-2.0 (code); see the model card for the pre-trained parts and the data"
WEIGHTS: Final = "weights"

Described = TypeVar("Described", bound=ReportPreset)
Kind = TypeVar("Kind", bound=ReportConfig)
Switches = TypeVar("Switches")


@dataclass(frozen=True)
class ReportRun(Generic[Described]):
    """A run's cases, and its images as its frozen encoder sees them."""

    preset: Described
    request: TrainingRequest
    encoder: ImageEncoder
    cases: CaseSet
    vectors: ImageVectors

    @classmethod
    def begin(
        cls,
        preset: Described,
        request: TrainingRequest,
        encoder_of: Callable[[Backbones, Path], ImageEncoder] | None = None,
    ) -> ReportRun[Described]:
        """Read the cases and encode their images, unless an earlier run left them in its folder.

        ``encoder_of`` takes the place of `load_image_encoder` where a model brings its own.

        Raises:
            SettingsError: images would be mirrored.
            StudyError, UserInputError, WeightsError: as `read_cases` and `load_image_encoder`.
        """
        refuse_mirroring(preset.augmentation)
        torch.set_num_threads(preset.loop.threads)
        named = preset.backbones
        if encoder_of is None:
            encoder = load_image_encoder(named.vision, request.cache, named.vision_sha256)
        else:
            encoder = encoder_of(named, request.cache)
        cases = read_cases(request, preset.cases)
        vectors = encoded_images(encoder, cases.paths(), request.out / CACHE)
        return cls(preset, request, encoder, cases, vectors)

    def language_model(self) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
        """The preset's language model, frozen, and its tokenizer."""
        named = self.preset.backbones
        return load_language_model(
            named.language,
            self.request.cache,
            dtype=named.language_dtype,
            sha256=named.language_sha256,
        )

    def train(self, task: Task, loop: LoopSettings | None = None, folder: str = "") -> Outcome:
        """Run the training loop to its end, going on from a checkpoint where that was asked for."""
        settings = loop or self.preset.loop
        running = TrainingLoop(task, settings, self.request.out / folder)
        if self.request.resume:
            running.resume()
        return running.run()

    def finish(self, outcome: Outcome, kind: type[Kind], **own: Any) -> Path:
        """Write the best weights with their config; ``own`` is what the paper's config adds."""
        preset, named = self.preset, self.preset.backbones
        config = kind(
            name=preset.model,
            version=VERSION,
            licence=LICENCE,
            training_command=self.request.command,
            training_data_sha256=self.cases.sha256(),
            model=preset.model,
            language=preset.cases.language,
            backbones=named,
            language_model_sha256=language_model_sha256(
                named.language, self.request.cache, named.language_sha256
            ),
            vision_sha256=self.encoder.sha256,
            decoding=preset.decoding,
            validation=outcome.best().metrics,
            **own,
        )
        folder = self.request.out / WEIGHTS
        save_report_model(folder, outcome.best_weights, config)
        return folder


def row_of(rows: Mapping[str, Switches], request: TrainingRequest, otherwise: Switches) -> Switches:
    """The switches of the ablation row that a request names; without one, the preset's.

    Raises:
        SettingsError: the paper's table has no such row.
    """
    if not request.row:
        return otherwise
    if request.row not in rows:
        raise SettingsError(
            f"the ablation table has no row {request.row!r}: use one of {', '.join(rows)}"
        )
    return rows[request.row]
