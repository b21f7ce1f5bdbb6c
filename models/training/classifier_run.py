"""One training run of the finding classifier, from the data's folder to deployable weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.backbones import load_backbone
from models.classifier.config import ClassifierConfig, MemberConfig
from models.classifier.cropping import View
from models.classifier.fitting import fit_findings, validation_figures
from models.classifier.network import FindingNetwork
from models.classifier.preset import ClassifierPreset, ClassifierSettings, MemberSettings
from models.classifier.screening import (
    COLUMN,
    SOURCES,
    fit_screen,
    pooled_features,
    tuberculosis_rows,
    write_row,
)
from models.classifier.task import ClassifierTask, member_logits
from models.data.files import split_digest
from models.data.finding_cache import FINDINGS, TARGETS, FindingArrays, load_findings
from models.data.finding_sources import read_findings
from models.data.records import FindingRecord, Split
from models.segmenter.inference import AnatomySegmenter
from models.shipping import write_network
from models.training.finding_data import read_finding_data
from models.training.loop import TrainingLoop
from models.training.presets import read_preset
from models.training.request import TrainingRequest
from models.training.roles import Role

VERSION = "2.0.0"
LICENCE = (
    "Apache-2.0 (code and trunk); trained on NIH ChestX-ray14, Montgomery and Shenzhen, see the "
    "model card"
)
_HEAD = ("head.classify.weight", "head.classify.bias")


def train_classifier(request: TrainingRequest) -> Path:
    """Train every member, calibrate their mean on the validation split, write ``out/weights``.

    The shipped anatomy segmenter finds the lungs where a member is to see them. See
    :func:`models.training.run.train`.
    """
    preset = read_preset(ClassifierPreset, Role.CLASSIFIER, request.preset)
    settings, out = preset.classifier, request.out
    torch.set_num_threads(preset.loop.threads)
    records, settings = _records(settings, request)
    cutting = any(View.LUNGS in member.views for member in settings.members)
    segmenter = AnatomySegmenter.load() if cutting else None
    arrays = load_findings(records, settings.cache_size, segmenter, out / "cache")
    trunk = _first_weights(settings, request)
    trained = []
    for number, member in enumerate(settings.members):
        task = ClassifierTask(
            settings, member, preset.augmentation, preset.loop.batch_size, arrays, trunk
        )
        loop_settings = preset.loop.model_copy(
            update={"seed": member.seed, "steps": member.steps or preset.loop.steps}
        )
        loop = TrainingLoop(task, loop_settings, out / f"member-{number}")
        if request.resume:
            loop.resume()
        trained.append(loop.run().best_weights)
    return finish_classifier(settings, trained, arrays, records, request)


def _records(
    settings: ClassifierSettings, request: TrainingRequest
) -> tuple[list[FindingRecord], ClassifierSettings]:
    """What to train on: folders laid out as the shared data are, or any data set that is known.

    Of a data set all training films are drawn alike, and its own validation films are measured on.
    """
    wanted = (*settings.sampling, *SOURCES)
    records = [r for r in read_findings(request.data) if r.source in wanted]
    if any(r.split is Split.TRAIN and r.source in settings.primary for r in records):
        return records, settings
    records = read_finding_data(request.data, FINDINGS)
    sources = tuple(sorted({record.source for record in records}))
    drawn = {"sampling": dict.fromkeys(sources, 1.0), "primary": sources}
    return records, settings.model_copy(update=drawn)


def _first_weights(settings: ClassifierSettings, request: TrainingRequest) -> dict[str, Tensor]:
    if settings.backbone_weights is None:
        return request.imagenet()
    trunk = load_backbone(settings.backbone, settings.backbone_weights, request.cache)
    return dict(trunk.state_dict())


def finish_classifier(
    settings: ClassifierSettings,
    trained: list[dict[str, Tensor]],
    arrays: FindingArrays,
    records: list[FindingRecord],
    request: TrainingRequest,
) -> Path:
    """Fit the output for tuberculosis and everything on the validation split; write the folder."""
    screened = all(source in arrays.sources for source in SOURCES)
    rows = arrays.of(Split.VAL, *settings.primary, *(SOURCES if screened else ()))
    states: list[dict[str, Tensor]] = []
    logits: list[NDArray[np.float64]] = []
    for member, state in zip(settings.members, trained, strict=True):
        network = FindingNetwork(len(TARGETS), backbone=settings.backbone)
        network.load_state_dict(state)
        network.eval()
        if screened:
            _fit_tuberculosis(network, arrays, member, settings.box_margin)
        logits.append(member_logits(network, arrays, rows, member, settings.box_margin))
        states.append(network.state_dict())
    mean = np.mean(logits, axis=0)
    findings = fit_findings(mean, arrays, rows, settings.primary)
    # Outputs that only helped to learn are not shipped.
    kept = [TARGETS.index(finding) for finding in findings]
    weights = {
        f"{number}.{name}": value[kept] if name in _HEAD else value
        for number, state in enumerate(states)
        for name, value in state.items()
    }
    config = ClassifierConfig(
        name="finding_classifier",
        version=VERSION,
        licence=LICENCE,
        training_command=request.command,
        training_data_sha256=split_digest(records),
        backbone=settings.backbone,
        cache_size=settings.cache_size,
        box_margin=settings.box_margin,
        members=tuple(
            MemberConfig(size=member.size, views=member.views, image_size=member.image_size)
            for member in settings.members
        ),
        findings=findings,
        validation=validation_figures(mean, arrays, rows, settings.primary),
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
