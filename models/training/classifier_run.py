"""One training run of the finding classifier, from the data's folder to deployable weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from findings.errors import StudyError
from findings.vocabulary import Finding
from models.calibration import choose_operating_points, fit_platt
from models.classifier.config import ClassifierConfig, FindingConfig, MemberConfig
from models.classifier.cropping import View
from models.classifier.network import FindingNetwork
from models.classifier.preset import ClassifierPreset
from models.classifier.task import ClassifierTask, member_logits
from models.data.files import split_digest
from models.data.finding_cache import FINDINGS, load_findings
from models.data.finding_sources import read_nih
from models.data.records import Split
from models.metrics import area_under_curve
from models.segmenter.inference import AnatomySegmenter
from models.shipping import write_network
from models.training.loop import TrainingLoop
from models.training.presets import read_preset
from models.training.request import TrainingRequest
from models.training.roles import Role

VERSION = "1.0.0"
LICENCE = "Apache-2.0 (code and trunk); trained on NIH ChestX-ray14, see the model card"


def train_classifier(request: TrainingRequest) -> Path:
    """Train every member, calibrate their mean on the validation split, write ``out/weights``.

    The shipped anatomy segmenter finds the lungs where a member is to see them. See
    :func:`models.training.run.train`.
    """
    preset = read_preset(ClassifierPreset, Role.CLASSIFIER, request.preset)
    settings, out = preset.classifier, request.out
    records = [record for record in read_nih(request.data) if not record.note]
    if not any(record.split is Split.TRAIN for record in records):
        raise StudyError("the data folder holds no NIH radiograph to train on")
    for finding in FINDINGS:
        seen = {r.labels[finding] for r in records if r.split is Split.VAL}
        if seen != {0, 1}:
            raise StudyError(
                f"the validation rows hold no image with or none without {finding}, so it cannot "
                "be calibrated: give a larger validation split"
            )
    torch.set_num_threads(preset.loop.threads)
    cutting = any(View.LUNGS in member.views for member in settings.members)
    segmenter = AnatomySegmenter.load() if cutting else None
    arrays = load_findings(records, settings.cache_size, segmenter, out / "cache")
    validation = arrays.of(Split.VAL)
    imagenet = request.imagenet()
    weights: dict[str, Tensor] = {}
    logits = []
    for number, member in enumerate(settings.members):
        task = ClassifierTask(
            settings,
            member,
            preset.augmentation,
            preset.loop.batch_size,
            arrays,
            imagenet,
        )
        loop = TrainingLoop(
            task, preset.loop.model_copy(update={"seed": member.seed}), out / f"member-{number}"
        )
        if request.resume:
            loop.resume()
        best = loop.run().best_weights
        weights.update({f"{number}.{name}": value for name, value in best.items()})
        network = FindingNetwork(len(FINDINGS))
        network.load_state_dict(best)
        logits.append(
            member_logits(network.eval(), arrays, validation, member, settings.box_margin)
        )
    mean = np.mean(logits, axis=0)
    truth = arrays.labels[validation]
    scales = fit_platt(mean, truth)
    config = ClassifierConfig(
        name="finding_classifier",
        version=VERSION,
        licence=LICENCE,
        training_command=request.command,
        training_data_sha256=split_digest(records),
        cache_size=settings.cache_size,
        box_margin=settings.box_margin,
        members=tuple(
            MemberConfig(size=member.size, views=member.views) for member in settings.members
        ),
        findings={
            Finding(finding): FindingConfig(
                calibration=scale,
                operating_points=choose_operating_points(
                    scale.apply(mean[:, column]), truth[:, column]
                ),
            )
            for column, (finding, scale) in enumerate(zip(FINDINGS, scales, strict=True))
        },
        validation={
            finding: area_under_curve(mean[:, column], truth[:, column])
            for column, finding in enumerate(FINDINGS)
        },
    )
    write_network(out / "weights", weights, config)
    return out / "weights"
