"""One training run of CLALA-Net: both stages, from data to a deployable folder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from findings.errors import WeightsError
from findings.regions import CLALA_REGIONS
from models.clala.config import ClalaConfig
from models.clala.decoder import RegionWords, WholeWords, WordPieces
from models.clala.network import ClalaNetwork
from models.clala.preset import ROWS, ClalaPreset, ClalaSettings
from models.clala.region_sentences import every_sentence
from models.clala.task import ClalaTask, Films, Look
from models.clala.texts import RegionTexts, SentenceVectors, TextInputs, TextTokens, lesion_names
from models.clala.views import PatchViews, TrunkViews, film_boxes, region_finder
from models.classifier.inference import FindingClassifier
from models.clues.encoder_folder import find_text_encoder, text_encoder_sha256
from models.clues.text_encoder import SentenceEncoder, bert_weights, load_tokenizer
from models.crude_report.tokens import Vocabulary
from models.language.loading import folder_sha256, located
from models.reports.cases import CaseSet, read_cases
from models.reports.checkpoint import save_report_model
from models.reports.contract import ReportModelName
from models.reports.guards import refuse_mirroring
from models.reports.running import LICENCE, VERSION, WEIGHTS, row_of
from models.reports.vision import TrunkEncoder, encoded_images
from models.training.loop import TrainingLoop
from models.training.presets import LoopSettings, read_preset
from models.training.request import CACHE, TrainingRequest
from models.training.roles import Role

FIRST_STAGE: Final = "pretraining"
"""Folder of the first stage's checkpoint and metrics within a run's."""


def train_clala(request: TrainingRequest) -> Path:
    """Train, then write ``out/weights``; see :func:`models.training.run.train`.

    The first stage trains everything; the second, lesion cross-attention and decoder alone.
    """
    preset = read_preset(ClalaPreset, Role.REPORT, request.preset)
    refuse_mirroring(preset.augmentation)
    switches = row_of(ROWS, request, preset.clala.switches)
    preset = preset.model_copy(
        update={"clala": preset.clala.model_copy(update={"switches": switches})}
    )
    torch.set_num_threads(preset.loop.threads)
    run = _Run(request, preset)
    settings = preset.clala
    first = _stage(run, preset.loop, request.out / FIRST_STAGE, settings.size, run.build)
    learnt = first.run().best_weights

    def second_network() -> ClalaNetwork:
        network = run.build()
        network.load_state_dict(learnt)
        network.for_fine_tuning()
        return network

    second = _stage(
        run, preset.second_stage(), request.out, settings.fine_tuning.size, second_network
    )
    outcome = second.run()
    config = ClalaConfig(
        name="clala",
        version=VERSION,
        licence=LICENCE,
        training_command=request.command,
        training_data_sha256=run.cases.sha256(),
        model=ReportModelName.CLALA,
        language=preset.cases.language,
        backbones=preset.backbones,
        language_model_sha256="",
        vision_sha256=run.vision_sha256,
        decoding=preset.decoding,
        validation=outcome.best().metrics,
        shape=settings.shape,
        switches=settings.switches,
        size=settings.fine_tuning.size,
        region_detector=str(settings.region_detector or ""),
        vocabulary=run.words.vocabulary if isinstance(run.words, WholeWords) else None,
        text_sha256=run.text_sha256,
        lesion_tokens=0 if settings.shape.text.frozen else int(run.lesion_texts.shape[-1]),
    )
    save_report_model(request.out / WEIGHTS, outcome.best_weights, config)
    return request.out / WEIGHTS


class _Run:
    """What both stages share."""

    def __init__(self, request: TrainingRequest, preset: ClalaPreset) -> None:
        self.request, self.preset = request, preset
        settings = self.settings = preset.clala
        self.cases: CaseSet = read_cases(request, preset.cases)
        claims = [case.claims for case in self.cases.cases]
        self.films = Films(
            claims, chosen_films(claims, self.cases.training, settings.films), self.cases.validation
        )
        self.texts = RegionTexts(self.cases, preset.cases.wordings)
        texts = self._known_texts()
        text = settings.shape.text
        self._text_encoder = find_text_encoder(
            text.model, request.cache, text.sha256, request.source
        )
        self.text_sha256 = text_encoder_sha256(self._text_encoder)
        self.words, self.inputs = self._readers(texts)
        self.lesion_texts = self.inputs(lesion_names())
        self.finder = region_finder(settings.region_detector)
        self._boxes = self._place_regions()
        self.vision_sha256, self._pretrained = self._backbones()

    def build(self) -> ClalaNetwork:
        """The network of the first stage, its encoders pre-trained where the preset says so."""
        network = ClalaNetwork(
            self.settings.shape,
            self.settings.switches,
            self.words.size,
            self.words.special,
            self.lesion_texts,
        )
        if self._pretrained:
            network.load_state_dict(self._pretrained, strict=False)
        return network

    def look(self, size: int) -> Look:
        """What the network is shown of films by index, cut-out regions at that size."""
        boxes, present = self._boxes
        paths = self.cases.paths()
        if self.settings.shape.eye.kind == "patches":
            return PatchViews(paths, size, boxes, present)
        encoder = TrunkEncoder(FindingClassifier.load())
        vectors = encoded_images(encoder, paths, self.request.out / CACHE)
        return TrunkViews(vectors, encoder.rows, encoder.columns, boxes, present)

    def _known_texts(self) -> list[str]:
        random = np.random.default_rng(self.preset.loop.seed)
        if self.preset.cases.kind == "written":
            drawn = (
                self.texts(int(film), region, random)
                for film in self.films.training
                for region in CLALA_REGIONS
            )
            return sorted({text for text in drawn if text})
        taught = [self.films.claims[film] for film in self.films.training]
        return list(every_sentence(taught, self.texts.wordings))

    def _readers(self, texts: Sequence[str]) -> tuple[RegionWords, TextInputs]:
        """How the decoder numbers words, and how the text encoder takes texts."""
        text = self.settings.shape.text
        if text.frozen:
            words: RegionWords = WholeWords(Vocabulary.of(texts, least_count=1))
            return words, SentenceVectors(SentenceEncoder.load(self._text_encoder), texts)
        tokenizer = load_tokenizer(self._text_encoder)
        return WordPieces(tokenizer), TextTokens(tokenizer, text.longest)

    def _place_regions(self) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Boxes of the films that are used; the others are never looked at."""
        used = np.concatenate([self.films.training, self.films.validation])
        paths = self.cases.paths()
        found, there = film_boxes(
            self.finder, [paths[film] for film in used], self.request.out / CACHE
        )
        boxes = np.zeros((len(paths), *found.shape[1:]), dtype=np.float32)
        present = np.zeros((len(paths), *there.shape[1:]), dtype=bool)
        boxes[used], present[used] = found, there
        return boxes, present

    def _backbones(self) -> tuple[str, dict[str, Tensor]]:
        """Checksum of what looks, and pre-trained weights by the network's names."""
        shape, cache = self.settings.shape, self.request.cache
        weights: dict[str, Tensor] = {}
        if not shape.text.frozen:
            named = bert_weights(self._text_encoder)
            weights |= {name.replace("text.", "read.", 1): own for name, own in named.items()}
        if shape.eye.kind == "trunk":
            return FindingClassifier.load().config.weights_sha256, weights
        backbones = self.preset.backbones
        folder = located(backbones.vision, cache, backbones.vision_sha256)
        return folder_sha256(folder), weights | vit_weights(folder, shape.eye.size)


def chosen_films(
    claims: Sequence[Sequence[Any]], training: NDArray[np.int64], most: int
) -> NDArray[np.int64]:
    """The training films to use: those with a placed lesion first, others evenly over the rest.

    Films whose lesions have a place teach which region a sentence belongs to.
    """
    if not most or len(training) <= most:
        return training
    placed = np.array([any(c.present and c.side is not None for c in claims[f]) for f in training])
    first, rest = training[placed][:most], training[~placed]
    left = min(most - len(first), len(rest))
    evenly = np.linspace(0, max(0, len(rest) - 1), left).round().astype(np.int64)
    return np.sort(np.concatenate([first, rest[evenly]]))


def vit_weights(folder: Path, size: int) -> dict[str, Tensor]:
    """A published vision transformer's weights by the network's names.

    Raises:
        WeightsError: the folder holds no such transformer, or one for another image size.
    """
    from transformers import ViTModel

    loader: Any = ViTModel
    try:
        loaded = loader.from_pretrained(
            folder, add_pooling_layer=False, local_files_only=True, use_safetensors=True
        )
    except (OSError, ValueError, RuntimeError) as error:
        raise WeightsError(
            f"the vision transformer cannot be loaded ({type(error).__name__}): give a folder with "
            "config.json and model.safetensors, as google/vit-base-patch16-224-in21k has"
        ) from error
    if loaded.config.image_size != size:
        raise WeightsError(
            f"the vision transformer was made for images of {loaded.config.image_size} pixels, "
            f"and the preset says {size}: set clala.shape.eye.size"
        )
    return {f"eye.encoder.{name}": value for name, value in loaded.state_dict().items()}


def _stage(
    run: _Run,
    loop: LoopSettings,
    out: Path,
    size: int,
    build: Callable[[], ClalaNetwork],
) -> TrainingLoop:
    settings: ClalaSettings = run.settings
    task = ClalaTask(
        settings,
        loop.batch_size,
        run.preset.cases.balance,
        run.films,
        run.look(size),
        run.texts,
        run.words,
        run.inputs,
        build,
    )
    made = TrainingLoop(task, loop, out)
    if run.request.resume:
        made.resume()
    return made
