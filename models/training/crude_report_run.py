"""One training run of the crude-report generator, from data and corpora to deployable weights."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from findings.errors import StudyError
from models.classifier.inference import FindingClassifier
from models.crude_report.composing import ReportComposer, learn_vocabulary
from models.crude_report.config import CrudeReportConfig
from models.crude_report.features import imagenet_normalised, log_odds, read_backbone
from models.crude_report.network import Backbone
from models.crude_report.preset import CrudeReportPreset
from models.crude_report.task import CrudeReportTask, Look
from models.data.box_places import BoxPlacer
from models.data.files import cache_key, cached
from models.data.records import Split
from models.data.trunk_features import trunk_features
from models.data.weak_pair_sources import WeakRecord, read_weak_records
from models.data.weak_pairs import build_pool
from models.preprocessing import read_display, to_bytes, to_square
from models.segmenter.inference import AnatomySegmenter
from models.shipping import write_network
from models.training.loop import TrainingLoop
from models.training.presets import read_preset
from models.training.request import TrainingRequest
from models.training.roles import Role
from models.weights import pull

VERSION = "1.0.0"
LICENCE = "Apache-2.0 (code and trunk); weakly paired with NIH and Open-i, see the model card"
CORPORA = "report-corpora"
_VOCABULARY_ROUNDS = 3


def train_crude_report(request: TrainingRequest) -> Path:
    """Train, then write ``out/weights``; see :func:`models.training.run.train`.

    The report corpora, whose sentences the weak reports are made of, are fetched where they are
    not there yet.
    """
    preset = read_preset(CrudeReportPreset, Role.CRUDE_REPORT, request.preset)
    settings, out = preset.crude_report, request.out
    torch.set_num_threads(preset.loop.threads)
    placer = BoxPlacer(AnatomySegmenter.load(), out / "cache")
    records = read_weak_records(request.data, placer, settings.folders)
    placer.save()
    training, validation = (
        np.flatnonzero([record.split is split for record in records])
        for split in (Split.TRAIN, Split.VAL)
    )
    if not len(training) or not len(validation):
        raise StudyError(
            "the data folder holds no radiographs with labels to train and to validate on"
        )
    pool = build_pool(pull(CORPORA, request.cache, source=request.source), records)
    composer = ReportComposer(pool.sentences, settings.wordings, settings.decoding.most_words)
    vocabulary = learn_vocabulary(
        composer,
        [records[index].claims for index in training],
        settings.least_count,
        _VOCABULARY_ROUNDS,
        preset.loop.seed,
    )
    shared = settings.shape.backbone is Backbone.SHARED_TRUNK
    classifier = FindingClassifier.load() if shared else None
    look = _look(records, classifier, settings.image_size, out / "cache")
    hinted = settings.shape.hinted_findings
    hints = (
        _hints(records, classifier, out / "cache")[:, :hinted] if hinted and classifier else None
    )
    backbone = read_backbone(settings.backbone_weights) if settings.backbone_weights else None
    task = CrudeReportTask(
        settings,
        preset.loop.batch_size,
        composer,
        vocabulary,
        [record.claims for record in records],
        look,
        training,
        validation,
        hints,
        backbone,
    )
    loop = TrainingLoop(task, preset.loop, out)
    if request.resume:
        loop.resume()
    outcome = loop.run()
    best = outcome.best()
    config = CrudeReportConfig(
        name="crude_report",
        version=VERSION,
        licence=LICENCE,
        training_command=request.command,
        training_data_sha256=cache_key(
            *sorted(f"{r.source}/{r.image_id} {r.split}" for r in records)
        ),
        shape=settings.shape,
        vocabulary=vocabulary,
        decoding=settings.decoding,
        image_size=settings.image_size,
        trunk_sha256=classifier.config.weights_sha256 if classifier else None,
        hinted=tuple(classifier.config.findings)[:hinted] if classifier else (),
        validation=best.metrics,
    )
    write_network(out / "weights", outcome.best_weights, config)
    return out / "weights"


def _look(
    records: Sequence[WeakRecord], classifier: FindingClassifier | None, size: int, folder: Path
) -> Look:
    """What the network is shown by index: the shared trunk's maps, or images."""
    if classifier is not None:
        maps = trunk_features(
            [record.image for record in records],
            classifier.features,
            classifier.config.weights_sha256,
            folder,
        )
        return lambda indices: torch.from_numpy(maps[indices]).float()

    def decode() -> NDArray[np.uint8]:
        images = np.zeros((len(records), size, size), dtype=np.uint8)
        for index, record in enumerate(records):
            images[index] = to_bytes(to_square(read_display(record.image), size))
        return images

    images = cached(folder, f"weak-reports-{cache_key(str(size), *_ids(records))}-images", decode)
    return lambda indices: imagenet_normalised(
        torch.from_numpy(images[indices]).float().div(255)[:, None]
    )


def _hints(
    records: Sequence[WeakRecord], classifier: FindingClassifier, folder: Path
) -> NDArray[np.float32]:
    key = cache_key(classifier.config.weights_sha256, *_ids(records))
    return cached(
        folder,
        f"hints-{key}",
        lambda: np.stack([log_odds(classifier, read_display(r.image)) for r in records]),
    )


def _ids(records: Sequence[WeakRecord]) -> list[str]:
    return [f"{record.source}/{record.image_id}" for record in records]
