"""Training of the region detector: what a batch is, its loss, its validation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.data.augmentation import AugmentationSettings, change_exposure, random_grids, sample
from models.data.records import Split
from models.detection_metrics import intersection_over_union
from models.detector.carrying import affine_of, carry_boxes
from models.detector.network import DetectorNetwork
from models.preprocessing import read_display, to_square
from models.region_detector.films import RegionFilm
from models.region_detector.preset import RegionSettings


class RegionTask:
    """A task of :class:`models.training.loop.TrainingLoop`.

    Regions are boxed on every film wherever they are, so whatever lies off the boxes is background.
    Images are decoded as they are drawn: a full-size data set does not fit into memory. There is no
    mirroring, since regions have sides.
    """

    best_metric = "mean_overlap"

    def __init__(
        self,
        preset: RegionSettings,
        augmentation: AugmentationSettings,
        batch_size: int,
        films: Sequence[RegionFilm],
        trunk: dict[str, Tensor] | None,
    ) -> None:
        self._preset = preset
        self._augmentation = augmentation
        self._batch_size = batch_size
        self._trunk = trunk
        self._training = [film for film in films if film.split is Split.TRAIN]
        kept = [film for film in films if film.split is Split.VAL]
        self._validation = kept[:: -(-len(kept) // preset.validation_films) or 1]

    def network(self) -> nn.Module:
        """Build the network, the trunk with the weights that were given."""
        preset = self._preset
        network = DetectorNetwork(
            preset.network, len(preset.regions), frozen_blocks=preset.frozen_blocks
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
        """Sum of the losses of both stages on a random batch."""
        size = self._preset.network.size
        chosen = random.integers(len(self._training), size=self._batch_size)
        films = [self._training[index] for index in chosen]
        images = torch.stack([to_square(read_display(film.image), size) for film in films])
        whole = torch.tensor([0.0, 0.0, 1.0, 1.0]).expand(len(films), 4)
        grids = random_grids(whole, size, self._augmentation, random)
        images = change_exposure(sample(images[:, None], grids), self._augmentation, random)
        targets = []
        for film, affine in zip(films, affine_of(grids), strict=True):
            boxes, kept = carry_boxes(torch.from_numpy(film.boxes), affine)
            labels = torch.from_numpy(film.regions)[kept] + 1
            targets.append(
                {"boxes": boxes[kept] * size, "labels": labels, "complete": torch.tensor(True)}
            )
        losses: dict[str, Tensor] = network([own.expand(3, -1, -1) for own in images], targets)
        return torch.stack(list(losses.values())).sum()

    def validate(self, network: nn.Module) -> dict[str, float]:
        """Mean overlap (IoU) of each region's best box with the drawn one; 0 where none is found.

        ``best_metric`` is the mean over the regions.
        """
        assert isinstance(network, DetectorNetwork)
        scores: dict[int, list[float]] = {}
        for film in self._validation:
            square = to_square(read_display(film.image), self._preset.network.size)
            found = best_boxes(network, square)
            for number, drawn in zip(film.regions.tolist(), film.boxes, strict=True):
                overlap = 0.0
                if number in found:
                    pair = found[number][0][None], drawn[None].astype(np.float64)
                    overlap = float(intersection_over_union(*pair)[0, 0])
                scores.setdefault(number, []).append(overlap)
        figures = {
            str(self._preset.regions[number]): float(np.mean(own))
            for number, own in sorted(scores.items())
        }
        mean = float(np.mean(list(figures.values()))) if figures else 0.0
        return {**figures, self.best_metric: mean}


def best_boxes(
    network: DetectorNetwork, square: Tensor
) -> dict[int, tuple[NDArray[np.float64], float]]:
    """Region's number -> its box of the highest score (shares of the image) and that score.

    ``square`` is ``(size, size)`` in [0, 1], of the network's size. A chest has each region once.
    """
    with torch.inference_mode():
        found = network([square.expand(3, -1, -1)])[0]
    best: dict[int, tuple[NDArray[np.float64], float]] = {}
    boxes = found["boxes"].double().numpy() / square.shape[-1]
    for box, label, score in zip(
        boxes, found["labels"].tolist(), found["scores"].tolist(), strict=True
    ):
        if label - 1 not in best or score > best[label - 1][1]:
            best[label - 1] = (box, score)
    return best
