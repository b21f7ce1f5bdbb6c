"""One training run of TRRG's second stage, from data to a deployable folder."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import torch

from models.classifier.inference import FindingClassifier
from models.clues.inference import ClueRetriever
from models.data.files import cache_key
from models.language.loading import language_model_sha256, load_language_model, located
from models.reports.cases import read_cases
from models.reports.checkpoint import save_report_model
from models.reports.contract import ReportModelName
from models.reports.guards import refuse_mirroring
from models.reports.prefix import PrefixedLanguageModel
from models.reports.vision import TrunkEncoder, encoded_images, load_image_encoder
from models.training.loop import TrainingLoop
from models.training.presets import read_preset
from models.training.request import CACHE, TrainingRequest
from models.training.roles import Role
from models.trrg.config import TrrgConfig
from models.trrg.looking import ClueChooser, placed_films, read_clue_text
from models.trrg.network import TrrgNetwork
from models.trrg.preset import TrrgPreset
from models.trrg.task import TrrgTask
from models.weights import pull

VERSION: Final = "1.0.0"
LICENCE: Final = "Apache-2.0 (code); weakly paired with NIH and Open-i unless trained on reports"


def train_trrg(request: TrainingRequest) -> Path:
    """Train, then write ``out/weights``; see :func:`models.training.run.train`."""
    preset = read_preset(TrrgPreset, Role.REPORT, request.preset)
    refuse_mirroring(preset.augmentation)
    torch.set_num_threads(preset.loop.threads)
    settings, backbones, cache = preset.trrg, preset.backbones, request.cache
    shape, switches = settings.shape, settings.switches
    cases = read_cases(request, preset.cases)
    folder = request.out / CACHE
    encoder = load_image_encoder(backbones.vision, cache, backbones.vision_sha256)
    look = encoded_images(encoder, cases.paths(), folder)

    trunk = encoder if isinstance(encoder, TrunkEncoder) else TrunkEncoder(FindingClassifier.load())
    retriever = ClueRetriever.load(trunk.sha256, settings.clue_retriever)
    sentences = pull(retriever.config.text.model, cache, source=request.source)
    told = settings.clue_text
    text_folder = sentences if told == retriever.config.text.model else located(told, cache)
    text = read_clue_text(text_folder, sentences, retriever)
    maps = look if trunk is encoder else encoded_images(trunk, cases.paths(), folder)
    key = cache_key(retriever.config.weights_sha256, cases.sha256())
    places = placed_films(trunk, maps, retriever, folder, key)
    clues = ClueChooser(retriever, text.devices, shape, switches).choose_near(places)

    model, tokenizer = load_language_model(
        backbones.language,
        cache,
        dtype=backbones.language_dtype,
        sha256=backbones.language_sha256,
    )
    language = PrefixedLanguageModel(model, tokenizer, shape.most_tokens)

    def build() -> TrrgNetwork:
        network = TrrgNetwork(shape, switches, language, text.vectors, text.present)
        network.start_like_words()
        return network

    task = TrrgTask(
        cases,
        preset.loop.batch_size,
        preset.cases.balance,
        look,
        clues.rows,
        build,
        preset.cases.language,
    )
    loop = TrainingLoop(task, preset.loop, request.out)
    if request.resume:
        loop.resume()
    outcome = loop.run()
    config = TrrgConfig(
        name="trrg",
        version=VERSION,
        licence=LICENCE,
        training_command=request.command,
        training_data_sha256=cases.sha256(),
        model=ReportModelName.TRRG,
        language=preset.cases.language,
        backbones=backbones,
        language_model_sha256=language_model_sha256(
            backbones.language, cache, backbones.language_sha256
        ),
        vision_sha256=encoder.sha256,
        decoding=preset.decoding,
        validation=outcome.best().metrics,
        shape=shape,
        switches=switches,
        retriever_sha256=retriever.config.weights_sha256,
        prompts=len(text.present),
        words=text.present.shape[1],
        retriever=str(settings.clue_retriever or ""),
        devices=tuple(tuple(float(v) for v in row) for row in text.devices),
    )
    save_report_model(request.out / "weights", outcome.best_weights, config)
    return request.out / "weights"
