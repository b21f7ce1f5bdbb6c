"""Training of the finding detector."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from findings.vocabulary import Finding
from models.data.augmentation import (
    AugmentationSettings,
    box_grids,
    change_exposure,
    random_grids,
    sample,
)
from models.data.box_cache import BoxArrays
from models.data.box_sources import Box
from models.data.records import Split
from models.data.simulated_nodules import add_nodule
from models.detection_metrics import (
    Judged,
    average_precision,
    intersection_over_union,
    localisation_accuracy,
)
from models.detector.carrying import affine_of, carry_boxes
from models.detector.network import DetectorNetwork
from models.detector.preset import DetectorSettings
from models.detector.targets import PRESENT, MatchingRules
from models.detector.views import Found, look

_OVERLAP_OF_METRIC: Final = 0.4


class DetectorTask:
    """A task of :class:`models.training.loop.TrainingLoop`.

    Left-right mirroring is allowed: see :mod:`models.detector.carrying`. ``trunk`` holds the
    first weights of the trunk, None for random ones. ``lungs`` are masks of both lungs, square and
    of any size, one for each record: where one is not empty, nodules may be simulated.
    """

    best_metric = "mean_average_precision"

    def __init__(
        self,
        preset: DetectorSettings,
        augmentation: AugmentationSettings,
        batch_size: int,
        arrays: BoxArrays,
        trunk: dict[str, Tensor] | None,
        lungs: NDArray[np.bool_] | None = None,
    ) -> None:
        self._lungs = lungs
        self._preset = preset
        self._augmentation = augmentation
        self._batch_size = batch_size
        self._arrays = arrays
        self._trunk = trunk
        self._kinds = batch_kinds(arrays)
        mix = preset.batch_mix
        shares = np.array([mix.drawn, mix.clear, mix.labelled])
        shares = shares * np.array([len(kind) > 0 for kind in self._kinds])
        self._shares = shares / shares.sum()

    def network(self) -> nn.Module:
        """Build the network, the trunk with the weights that were given."""
        preset = self._preset
        network = DetectorNetwork(
            preset.network,
            len(preset.findings),
            MatchingRules(elsewhere_weight=preset.elsewhere_weight),
            preset.instance_weight,
            preset.frozen_blocks,
        )
        if self._trunk is not None:
            network.trunk.load_state_dict(
                {name: self._trunk[name] for name in network.trunk.state_dict()}
            )
        return network

    def trunk_parameters(self, network: nn.Module) -> list[nn.Parameter]:
        """Parameters of the pre-trained part."""
        assert isinstance(network, DetectorNetwork)
        return list(network.trunk.parameters())

    def loss(self, network: nn.Module, random: np.random.Generator) -> Tensor:
        """Sum of the losses of both stages on a random batch of the three kinds of images."""
        kinds = random.choice(len(self._kinds), size=self._batch_size, p=self._shares)
        chosen = np.array([random.choice(self._kinds[kind]) for kind in kinds])
        films = self._arrays.images[chosen].astype(np.float32) / 255
        nodules = [
            self._simulate(film, int(index), random)
            for film, index in zip(films, chosen, strict=True)
        ]
        images = torch.from_numpy(films)[:, None]
        whole = torch.tensor([0.0, 0.0, 1.0, 1.0]).expand(len(chosen), 4)
        size = self._preset.network.size
        upright = replace(self._augmentation, flip=0.0)
        turned = _draw(self._preset.turned_share, len(chosen), random)
        mirrored = _draw(self._augmentation.flip, len(chosen), random)
        grids = torch.where(
            turned, random_grids(whole, size, upright, random), box_grids(whole, size)
        )
        grids = torch.where(mirrored, grids.flip(2), grids)
        images = change_exposure(sample(images, grids), self._augmentation, random)
        targets = [
            self._target(int(index), nodule, affine)
            for index, nodule, affine in zip(chosen, nodules, affine_of(grids), strict=True)
        ]
        losses: dict[str, Tensor] = network([own.expand(3, -1, -1) for own in images], targets)
        return torch.stack(list(losses.values())).sum()

    def _simulate(
        self, film: NDArray[np.float32], index: int, random: np.random.Generator
    ) -> Box | None:
        """Draw a nodule into some of the films that may carry one; its box."""
        if self._lungs is None or not self._lungs[index].any():
            return None
        if random.random() >= self._preset.simulated_nodule_share:
            return None
        film[:], box = add_nodule(film, self._lungs[index], random)
        return box

    def _target(self, index: int, nodule: Box | None, affine: Tensor) -> dict[str, Tensor]:
        drawn = torch.from_numpy(self._arrays.boxes[index])
        findings = torch.from_numpy(self._arrays.findings[index])
        stated = torch.from_numpy(self._arrays.stated[index]).clone()
        if nodule is not None:
            number = self._preset.findings.index(Finding.NODULE)
            drawn = torch.cat([drawn, torch.tensor([nodule])])
            findings = torch.cat([findings, torch.tensor([number])])
            stated[number] = PRESENT
        boxes, kept = carry_boxes(drawn, affine)
        # What was cut away is neither here to be found nor surely absent.
        stated[findings[~kept]] = -1
        complete = bool(self._arrays.complete[index]) and bool(kept.all())
        return {
            "boxes": boxes[kept] * self._preset.network.size,
            "labels": findings[kept] + 1,
            "stated": stated,
            "complete": torch.tensor(complete),
        }

    def validate(self, network: nn.Module) -> dict[str, float]:
        """Average precision and localisation accuracy, on the drawn images of validation."""
        assert isinstance(network, DetectorNetwork)
        arrays = self._arrays
        indices = np.array([i for i in arrays.of(Split.VAL) if len(arrays.boxes[i])], dtype=int)
        found = find_boxes(network, arrays.images[indices])
        figures: dict[str, float] = {}
        precision, accuracy = [], []
        for number, finding in enumerate(self._preset.findings):
            images = [
                judge(own, arrays.boxes[index], arrays.findings[index], number)
                for own, index in zip(found, indices, strict=True)
                if arrays.stated[index, number] == 0 or number in arrays.findings[index]
            ]
            value = average_precision(images, _OVERLAP_OF_METRIC)
            if not np.isnan(value):
                precision.append(value)
                accuracy.append(localisation_accuracy(images, 0.3))
                figures[str(finding)] = value
        return {
            **figures,
            "localisation_accuracy": float(np.mean(accuracy)) if accuracy else 0.0,
            self.best_metric: float(np.mean(precision)) if precision else 0.0,
        }


def batch_kinds(arrays: BoxArrays) -> tuple[NDArray[np.int64], ...]:
    """Training records by kind: with boxes; complete without any; all others."""
    training = np.zeros(len(arrays.splits), dtype=np.bool_)
    training[arrays.of(Split.TRAIN)] = True
    drawn = arrays.drawn()
    clear = arrays.complete & ~drawn
    return tuple(
        np.flatnonzero(training & kind) for kind in (drawn, clear, ~drawn & ~arrays.complete)
    )


def _draw(share: float, count: int, random: np.random.Generator) -> Tensor:
    return torch.from_numpy(random.random(count) < share)[:, None, None, None]


def find_boxes(
    network: DetectorNetwork, images: NDArray[np.uint8], batch_size: int = 8
) -> list[Found]:
    """Look at images ``(images, size, size)`` of the network's size."""
    found = []
    for start in range(0, len(images), batch_size):
        part = torch.from_numpy(images[start : start + batch_size]).float().div(255)
        found += look(network, part)
    return found


def judge(
    found: Found,
    boxes: NDArray[np.float32],
    findings: NDArray[np.int64],
    number: int,
) -> Judged:
    """One finding in one image, by intersection over union."""
    own = found.findings == number
    return Judged(
        scores=found.scores[own],
        overlaps=intersection_over_union(
            found.boxes[own], boxes[findings == number].astype(np.float64)
        ),
    )
