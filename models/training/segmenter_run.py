"""One training run of the anatomy segmenter, from the data's folder to deployable weights."""

from __future__ import annotations

from pathlib import Path

from findings.errors import StudyError
from models.data.anatomy_cache import load_anatomy
from models.data.anatomy_sources import read_anatomy
from models.data.files import split_digest
from models.data.records import Split
from models.segmenter.config import SegmenterConfig
from models.segmenter.fitting import area_ranges, fit_after_training
from models.segmenter.network import SegmenterNetwork
from models.segmenter.preset import SegmenterPreset
from models.segmenter.task import SegmenterTask
from models.shipping import SHIPPED, as_stored, load_weights, read_config, write_network
from models.training.loop import TrainingLoop
from models.training.presets import read_preset
from models.training.request import TrainingRequest
from models.training.roles import Role

VERSION = "1.2.0"
LICENCE = "Apache-2.0 (code and trunk); trained on research-only data, see the model card"


def train_segmenter(request: TrainingRequest) -> Path:
    """Train, then write ``out/weights``; see :func:`models.training.run.train`."""
    preset = read_preset(SegmenterPreset, Role.SEGMENTER, request.preset)
    out = request.out
    records = read_anatomy(request.data, preset.segmenter.folders)
    if not any(record.split is Split.TRAIN and record.masks for record in records):
        raise StudyError("the data folder holds no radiograph with masks of anatomy to train on")
    arrays = load_anatomy(records, preset.segmenter.size, out / "cache")
    started_from, earlier = earlier_network(preset.segmenter.start_from)
    task = SegmenterTask(
        preset.segmenter,
        preset.augmentation,
        preset.loop.batch_size,
        arrays,
        request.imagenet() if earlier is None else None,
        earlier,
    )
    loop = TrainingLoop(task, preset.loop, out)
    if request.resume:
        loop.resume()
    outcome = loop.run()
    best = outcome.best()
    config = SegmenterConfig(
        name="anatomy_segmenter",
        version=VERSION,
        licence=LICENCE,
        training_command=request.command,
        training_data_sha256=split_digest(records),
        size=preset.segmenter.size,
        decoder_widths=preset.segmenter.decoder_widths,
        mirrored=preset.segmenter.mirror_share > 0,
        started_from=started_from,
        areas=area_ranges(arrays),
        validation=best.metrics,
    )
    bits = preset.segmenter.stored_bits
    weights = as_stored(outcome.best_weights, bits)
    network = SegmenterNetwork(config.decoder_widths, config.structures)
    network.load_state_dict(weights)
    fitted = fit_after_training(network.eval(), arrays, config, preset.segmenter.reference)
    write_network(out / "weights", weights, fitted, bits)
    return out / "weights"


def earlier_network(name: str | None) -> tuple[str | None, SegmenterNetwork | None]:
    """Checksum and network of a shipped folder's name or a trained folder's path; none for None.

    Raises:
        WeightsError: it is missing, damaged or no segmenter.
    """
    if name is None:
        return None, None
    folder = SHIPPED / name if (SHIPPED / name).is_dir() else Path(name)
    config = read_config(folder, SegmenterConfig)
    network = SegmenterNetwork(config.decoder_widths, config.structures)
    load_weights(network, folder, config.weights_sha256)
    return config.weights_sha256, network
