"""One training run of the anatomy segmenter, from the data's folder to deployable weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from findings.errors import StudyError
from models.data.anatomy_cache import AnatomyArrays, load_anatomy
from models.data.anatomy_sources import read_anatomy
from models.data.files import split_digest
from models.data.records import Split
from models.segmenter.config import AreaRange, SegmenterConfig
from models.segmenter.network import Structure
from models.segmenter.preset import SegmenterPreset
from models.segmenter.task import SegmenterTask
from models.shipping import write_network
from models.training.loop import TrainingLoop
from models.training.presets import read_preset
from models.training.request import TrainingRequest
from models.training.roles import Role

VERSION = "1.0.0"
LICENCE = "Apache-2.0 (code and trunk); trained on research-only data, see the model card"


def train_segmenter(request: TrainingRequest) -> Path:
    """Train, then write ``out/weights``; see :func:`models.training.run.train`."""
    preset = read_preset(SegmenterPreset, Role.SEGMENTER, request.preset)
    out = request.out
    records = read_anatomy(request.data, preset.segmenter.folders)
    if not any(record.split is Split.TRAIN and record.masks for record in records):
        raise StudyError("the data folder holds no radiograph with masks of anatomy to train on")
    arrays = load_anatomy(records, preset.segmenter.size, out / "cache")
    task = SegmenterTask(
        preset.segmenter,
        preset.augmentation,
        preset.loop.batch_size,
        arrays,
        request.imagenet(),
    )
    loop = TrainingLoop(task, preset.loop, out)
    if request.resume:
        loop.resume()
    outcome = loop.run()
    best = next(entry for entry in outcome.history if entry.step == outcome.best_step)
    config = SegmenterConfig(
        name="anatomy_segmenter",
        version=VERSION,
        licence=LICENCE,
        training_command=request.command,
        training_data_sha256=split_digest(records),
        size=preset.segmenter.size,
        decoder_widths=preset.segmenter.decoder_widths,
        areas=area_ranges(arrays),
        validation=best.metrics,
    )
    write_network(out / "weights", outcome.best_weights, config)
    return out / "weights"


def area_ranges(arrays: AnatomyArrays) -> dict[Structure, AreaRange]:
    """How much of a training image each structure usually covers."""
    training = np.array([split is Split.TRAIN for split in arrays.splits])
    ranges = {}
    for bit, structure in enumerate(Structure):
        drawn = training & arrays.known[:, bit]
        if drawn.any():
            shares = ((arrays.planes[drawn] >> bit) & 1).mean(axis=(1, 2))
            low, high = np.percentile(shares, [1, 99])
            ranges[structure] = AreaRange(low=float(low), high=float(high))
        else:
            ranges[structure] = AreaRange(low=0.0, high=1.0)
    return ranges
