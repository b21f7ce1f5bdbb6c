"""One training run of TRRG's second stage, from data to a deployable folder."""

from __future__ import annotations

from pathlib import Path

from models.classifier.inference import FindingClassifier
from models.clues.encoder_folder import (
    find_text_encoder,
    require_encoder,
    text_encoder_sha256,
)
from models.clues.inference import ClueRetriever
from models.data.files import cache_key
from models.reports.prefix import PrefixedLanguageModel
from models.reports.running import ReportRun, row_of
from models.reports.vision import TrunkEncoder, encoded_images
from models.training.presets import read_preset
from models.training.request import CACHE, TrainingRequest
from models.training.roles import Role
from models.trrg.config import TrrgConfig
from models.trrg.looking import ClueChooser, placed_films, read_clue_text
from models.trrg.network import TrrgNetwork
from models.trrg.preset import ROWS, TrrgPreset
from models.trrg.task import TrrgTask


def train_trrg(request: TrainingRequest) -> Path:
    """Train, then write ``out/weights``; see :func:`models.training.run.train`."""
    preset = read_preset(TrrgPreset, Role.REPORT, request.preset)
    settings, shape = preset.trrg, preset.trrg.shape
    switches = row_of(ROWS, request, settings.switches)
    run = ReportRun.begin(preset, request)

    own = isinstance(run.encoder, TrunkEncoder)
    trunk = run.encoder if own else TrunkEncoder(FindingClassifier.load())
    assert isinstance(trunk, TrunkEncoder)
    folder = request.out / CACHE
    maps = run.vectors if own else encoded_images(trunk, run.cases.paths(), folder)
    retriever = ClueRetriever.load(trunk.sha256, settings.clue_retriever)
    placing = retriever.config.text
    sentences = find_text_encoder(
        placing.model, request.cache, placing.sha256, source=request.source
    )
    require_encoder(sentences, retriever.config.text_sha256)
    told = find_text_encoder(
        settings.clue_text, request.cache, settings.clue_text_sha256, source=request.source
    )
    text = read_clue_text(told, sentences, retriever)
    key = cache_key(retriever.config.weights_sha256, run.cases.sha256())
    places = placed_films(trunk, maps, retriever, folder, key)
    clues = ClueChooser(retriever, text.devices, shape, switches).choose_near(places)
    language = PrefixedLanguageModel(*run.language_model(), shape.most_tokens)

    def build() -> TrrgNetwork:
        network = TrrgNetwork(shape, switches, language, text.vectors, text.present)
        network.start_like_words()
        return network

    task = TrrgTask(
        run.cases,
        preset.loop.batch_size,
        preset.cases.balance,
        run.vectors,
        clues.rows,
        build,
        preset.cases.language,
    )
    return run.finish(
        run.train(task),
        TrrgConfig,
        shape=shape,
        switches=switches,
        text_sha256=text_encoder_sha256(told),
        retriever_sha256=retriever.config.weights_sha256,
        prompts=len(text.present),
        words=text.present.shape[1],
        retriever=str(settings.clue_retriever or ""),
        devices=tuple(tuple(float(v) for v in row) for row in text.devices),
    )
