"""One training run of the finding detector, from the data's folder to deployable weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from findings.errors import StudyError, WeightsError
from models.calibration import fit_platt
from models.data.box_cache import BoxArrays, load_boxes, load_lungs
from models.data.box_sources import read_boxes
from models.data.files import split_digest
from models.data.records import Split
from models.detection_metrics import score_at_false_boxes, sensitivity
from models.detector.config import BoxedFinding, DetectionPoint, DetectorConfig
from models.detector.inference import score_logits
from models.detector.network import DetectorNetwork
from models.detector.preset import DetectorPreset, DetectorSettings
from models.detector.resnet import read_resnet50
from models.detector.task import DetectorTask, batch_kinds, find_boxes, judge
from models.detector.views import Found
from models.segmenter.inference import AnatomySegmenter
from models.shipping import SHIPPED, WEIGHTS, as_stored, write_network
from models.training.loop import TrainingLoop
from models.training.presets import read_preset
from models.training.request import TrainingRequest
from models.training.roles import Role

VERSION = "2.0.0"
LICENCE = "Apache-2.0 (code and trunk); trained on research-only data, see the model card"

_LEAST_CASES = 10
_SHOWN_OVERLAP = 0.3


def train_detector(request: TrainingRequest) -> Path:
    """Train, calibrate on the validation split, write ``out/weights``.

    See :func:`models.training.run.train`.
    """
    preset = read_preset(DetectorPreset, Role.DETECTOR, request.preset)
    settings, out = preset.detector, request.out
    records = read_boxes(request.data, settings.folders)
    if not any(record.split is Split.TRAIN and record.boxes for record in records):
        raise StudyError("the data folder holds no radiograph with drawn boxes to train on")
    torch.set_num_threads(preset.loop.threads)
    arrays = load_boxes(records, settings.findings, settings.network.size, out / "cache")
    task = DetectorTask(
        settings,
        preset.augmentation,
        preset.loop.batch_size,
        arrays,
        first_weights(settings, request),
        lungs_for_nodules(settings, arrays, out / "cache"),
    )
    loop = TrainingLoop(task, preset.loop, out)
    if request.resume:
        loop.resume()
    outcome = loop.run()
    best = outcome.best()
    weights = as_stored(outcome.best_weights, settings.stored_bits)
    network = DetectorNetwork(settings.network, len(settings.findings))
    network.load_state_dict(weights)
    config = DetectorConfig(
        name="finding_detector",
        version=VERSION,
        licence=LICENCE,
        training_command=request.command,
        training_data_sha256=split_digest(records),
        network=settings.network,
        findings=dict(
            zip(
                settings.findings,
                fit_findings(network.eval(), arrays, settings.false_boxes),
                strict=True,
            )
        ),
        validation=best.metrics,
    )
    write_network(out / "weights", weights, config, settings.stored_bits)
    return out / "weights"


def lungs_for_nodules(
    settings: DetectorSettings, arrays: BoxArrays, cache: Path
) -> NDArray[np.bool_] | None:
    """Masks of the lungs of the films in which nodules are simulated; None: nowhere.

    Those are the training films of which no finding at all is stated.

    Raises:
        WeightsError: the shipped segmenter, which finds the lungs, cannot be read.
    """
    if settings.simulated_nodule_share == 0:
        return None
    _, clear, _ = batch_kinds(arrays)
    return load_lungs(arrays, clear, AnatomySegmenter.load(), cache)


def first_weights(settings: DetectorSettings, request: TrainingRequest) -> dict[str, Tensor] | None:
    """Where the trunk starts from; None: at random.

    Raises:
        WeightsError: the weights asked for are not to be had.
    """
    if settings.initial == "random":
        return None
    if settings.initial == "imagenet":
        resnet = settings.network.trunk == "resnet50"
        return read_resnet50(request.cache) if resnet else request.imagenet()
    return classifier_trunk(SHIPPED / "finding_classifier")


def classifier_trunk(folder: Path) -> dict[str, Tensor]:
    """The trunk of the first network of a finding classifier.

    Raises:
        WeightsError: there is none in the folder.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    prefix = "0.trunk."
    try:
        weights = load_file(folder / WEIGHTS)
    except (OSError, SafetensorError) as error:
        raise WeightsError(
            "the finding classifier whose trunk the detector starts from cannot be read: restore "
            "it from the repository, or set initial = 'imagenet'"
        ) from error
    return {
        name.removeprefix(prefix): value.float() if value.is_floating_point() else value
        for name, value in weights.items()
        if name.startswith(prefix)
    }


def fit_findings(
    network: DetectorNetwork, arrays: BoxArrays, false_boxes: float
) -> list[BoxedFinding]:
    """Calibrate each finding and choose its score of showing, on the validation split.

    Only sources whose labels state both presence and absence can carry a calibration: a finding
    whose positive and negative images come from different sources would be calibrated on what
    tells the sources apart.
    """
    validation = arrays.of(Split.VAL)
    found = find_boxes(network, arrays.images[validation])
    best = best_scores(found, arrays.stated.shape[1])
    fitted = []
    for number in range(arrays.stated.shape[1]):
        usable = _usable_sources(arrays, validation, number)
        chosen = np.flatnonzero(usable & (arrays.stated[validation, number] >= 0))
        truth = arrays.stated[validation[chosen], number] == 1
        if min(int(truth.sum()), int((~truth).sum())) < _LEAST_CASES:
            fitted.append(BoxedFinding())
            continue
        logits = score_logits(best[chosen, number])
        judged = [
            judge(found[place], arrays.boxes[index], arrays.findings[index], number)
            for place, index in zip(chosen, validation[chosen], strict=True)
        ]
        clear = [own for own, here in zip(judged, truth, strict=True) if not here]
        drawn = [own for own in judged if own.drawn]
        score = score_at_false_boxes(clear, false_boxes)
        met = sensitivity(drawn, _SHOWN_OVERLAP, score)
        fitted.append(
            BoxedFinding(
                calibration=fit_platt(logits[:, None], truth[:, None])[0],
                point=DetectionPoint(
                    score=score,
                    false_boxes=sum(int((own.scores >= score).sum()) for own in clear) / len(clear),
                    sensitivity=None if np.isnan(met) else met,
                ),
            )
        )
    return fitted


def best_scores(found: list[Found], findings: int) -> NDArray[np.float64]:
    """The highest score of each finding ``(images, findings)``; 0 where no box was found."""
    best = np.zeros((len(found), findings))
    for place, own in enumerate(found):
        np.maximum.at(best[place], own.findings, own.scores)
    return best


def _usable_sources(
    arrays: BoxArrays, indices: NDArray[np.int64], number: int
) -> NDArray[np.bool_]:
    sources = np.array(arrays.sources)[indices]
    stated = arrays.stated[indices, number]
    both = [
        source for source in np.unique(sources) if {0, 1} <= set(stated[sources == source].tolist())
    ]
    return np.isin(sources, both)
