"""One training run of the region detector, from the data's folder to deployable weights."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from findings.errors import StudyError
from models.data.files import split_digest
from models.data.records import Split
from models.datasets.registry import open_dataset
from models.detector.resnet import read_resnet50
from models.region_detector.config import RegionDetectorConfig
from models.region_detector.films import region_films
from models.region_detector.preset import RegionPreset, RegionSettings
from models.region_detector.task import RegionTask
from models.shipping import write_network
from models.training.loop import TrainingLoop
from models.training.presets import read_preset
from models.training.request import TrainingRequest
from models.training.roles import Role

VERSION = "1.0.0"
LICENCE = "Apache-2.0 (code); the weights are under the terms of the data they were trained on"


def train_region_detector(request: TrainingRequest) -> Path:
    """Train, then write ``out/weights``; see :func:`models.training.run.train`.

    The data is any data set whose records box regions: MIMIC-CXR-JPG with Chest ImaGenome.

    Raises:
        UserInputError: the folder fits no data set that is known.
    """
    preset = read_preset(RegionPreset, Role.REGION_DETECTOR, request.preset)
    settings, out = preset.region_detector, request.out
    films = region_films(open_dataset(request.data).records(), settings.regions)
    if not any(film.split is Split.TRAIN for film in films):
        raise StudyError(
            "the data folder holds no training radiograph with boxed regions: put Chest "
            "ImaGenome's silver_dataset beside MIMIC-CXR-JPG's tables"
        )
    torch.set_num_threads(preset.loop.threads)
    task = RegionTask(
        settings,
        preset.augmentation,
        preset.loop.batch_size,
        films,
        first_weights(settings, request),
    )
    loop = TrainingLoop(task, preset.loop, out)
    if request.resume:
        loop.resume()
    outcome = loop.run()
    best = outcome.best()
    config = RegionDetectorConfig(
        name="region_detector",
        version=VERSION,
        licence=LICENCE,
        training_command=request.command,
        training_data_sha256=split_digest(films),
        network=settings.network,
        regions=settings.regions,
        validation=best.metrics,
    )
    write_network(out / "weights", outcome.best_weights, config)
    return out / "weights"


def first_weights(settings: RegionSettings, request: TrainingRequest) -> dict[str, Tensor] | None:
    """Where the trunk starts from; None: at random.

    Raises:
        WeightsError: the weights asked for are not to be had.
    """
    if settings.initial == "random":
        return None
    resnet = settings.network.trunk == "resnet50"
    return read_resnet50(request.cache) if resnet else request.imagenet()
