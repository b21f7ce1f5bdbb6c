"""One training run of the finding classifier, from the data's folder to deployable weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from findings.errors import StudyError
from models.classifier.config import ClassifierConfig, MemberConfig
from models.classifier.cropping import View
from models.classifier.fitting import fit_findings, validation_figures
from models.classifier.network import FindingNetwork
from models.classifier.preset import ClassifierPreset, ClassifierSettings, MemberSettings
from models.classifier.screening import (
    COLUMN,
    fit_screen,
    pooled_features,
    tuberculosis_rows,
    write_row,
)
from models.classifier.task import ClassifierTask, member_logits
from models.data.files import split_digest
from models.data.finding_cache import TARGETS, FindingArrays, load_findings
from models.data.finding_sources import read_findings
from models.data.records import FindingRecord, Split
from models.segmenter.inference import AnatomySegmenter
from models.shipping import write_network
from models.training.loop import TrainingLoop
from models.training.presets import read_preset
from models.training.request import TrainingRequest
from models.training.roles import Role

VERSION = "2.0.0"
LICENCE = (
    "Apache-2.0 (code and trunk); trained on NIH ChestX-ray14, Montgomery and Shenzhen, see the "
    "model card"
)
_SCREENED = ("montgomery", "shenzhen")


def train_classifier(request: TrainingRequest) -> Path:
    """Train every member, calibrate their mean on the validation split, write ``out/weights``.

    The shipped anatomy segmenter finds the lungs where a member is to see them. See
    :func:`models.training.run.train`.
    """
    preset = read_preset(ClassifierPreset, Role.CLASSIFIER, request.preset)
    settings, out = preset.classifier, request.out
    torch.set_num_threads(preset.loop.threads)
    wanted = (*settings.sampling, *_SCREENED)
    records = [r for r in read_findings(request.data) if r.source in wanted]
    if not any(r.split is Split.TRAIN and r.source == "nih" for r in records):
        raise StudyError("the data folder holds no NIH radiograph to train on")
    cutting = any(View.LUNGS in member.views for member in settings.members)
    segmenter = AnatomySegmenter.load() if cutting else None
    arrays = load_findings(records, settings.cache_size, segmenter, out / "cache")
    imagenet = request.imagenet()
    trained = []
    for number, member in enumerate(settings.members):
        task = ClassifierTask(
            settings, member, preset.augmentation, preset.loop.batch_size, arrays, imagenet
        )
        loop_settings = preset.loop.model_copy(
            update={"seed": member.seed, "steps": member.steps or preset.loop.steps}
        )
        loop = TrainingLoop(task, loop_settings, out / f"member-{number}")
        if request.resume:
            loop.resume()
        trained.append(loop.run().best_weights)
    return finish_classifier(settings, trained, arrays, records, request)


def finish_classifier(
    settings: ClassifierSettings,
    trained: list[dict[str, Tensor]],
    arrays: FindingArrays,
    records: list[FindingRecord],
    request: TrainingRequest,
) -> Path:
    """Fit the output for tuberculosis and everything on the validation split; write the folder."""
    screened = all(source in arrays.sources for source in _SCREENED)
    outputs = COLUMN + 1 if screened else COLUMN
    rows = arrays.of(Split.VAL, "nih", *_SCREENED)
    weights: dict[str, Tensor] = {}
    logits: list[NDArray[np.float64]] = []
    for number, (member, state) in enumerate(zip(settings.members, trained, strict=True)):
        network = FindingNetwork(len(TARGETS))
        network.load_state_dict(state)
        network.eval()
        if screened:
            _fit_tuberculosis(network, arrays, member, settings.box_margin)
        logits.append(member_logits(network, arrays, rows, member, settings.box_margin))
        head = {"head.classify.weight", "head.classify.bias"}
        weights.update(
            {
                f"{number}.{name}": value[:outputs] if name in head else value
                for name, value in network.state_dict().items()
            }
        )
    mean = np.mean(logits, axis=0)
    config = ClassifierConfig(
        name="finding_classifier",
        version=VERSION,
        licence=LICENCE,
        training_command=request.command,
        training_data_sha256=split_digest(records),
        cache_size=settings.cache_size,
        box_margin=settings.box_margin,
        members=tuple(
            MemberConfig(size=member.size, views=member.views, image_size=member.image_size)
            for member in settings.members
        ),
        findings=fit_findings(mean, arrays, rows),
        validation=validation_figures(mean, arrays, rows),
    )
    write_network(request.out / "weights", weights, config)
    return request.out / "weights"


def _fit_tuberculosis(
    network: FindingNetwork, arrays: FindingArrays, member: MemberSettings, margin: float
) -> None:
    rows = tuberculosis_rows(arrays, Split.TRAIN)
    features = pooled_features(network, arrays, rows, member, margin)
    screen = fit_screen(features.of(rows), arrays.labels[rows, COLUMN])
    write_row(network.head.classify, COLUMN, screen)
