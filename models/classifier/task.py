"""Training of one network of the finding classifier."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.classifier.cropping import reduced, view_logits, widen
from models.classifier.fitting import validation_figures
from models.classifier.network import FindingNetwork
from models.classifier.preset import ClassifierSettings, MemberSettings
from models.data.augmentation import AugmentationSettings, change_exposure, random_grids, sample
from models.data.finding_cache import FINDINGS, TARGETS, WHOLE_IMAGE, FindingArrays
from models.data.records import Split
from models.imagenet import initialise_trunk
from models.losses import smoothed_cross_entropy
from models.metrics import hamming_loss


class ClassifierTask:
    """A task of :class:`models.training.loop.TrainingLoop`.

    Images are drawn by source with the preset's shares; each image of a batch weighs the same,
    however many of its labels are known. Left-right mirroring is allowed here: no label has a
    side, and the network is asked for none.
    """

    best_metric = "mean_auc"

    def __init__(
        self,
        preset: ClassifierSettings,
        member: MemberSettings,
        augmentation: AugmentationSettings,
        batch_size: int,
        arrays: FindingArrays,
        trunk: dict[str, Tensor] | None,
    ) -> None:
        self._preset = preset
        self._member = member
        self._augmentation = augmentation
        self._batch_size = batch_size
        self._arrays = arrays
        self._trunk = trunk
        pools = {s: arrays.of(Split.TRAIN, s) for s in preset.sampling}
        self._pools = {source: pool for source, pool in pools.items() if len(pool)}
        shares = np.array([preset.sampling[source] for source in self._pools])
        self._shares = shares / shares.sum()
        self._validation = arrays.of(Split.VAL, *preset.primary)

    def network(self) -> nn.Module:
        """Build the network, the trunk with the weights that were given for it."""
        preset = self._preset
        network = FindingNetwork(
            len(TARGETS), preset.dropout, preset.frozen_blocks, preset.backbone
        )
        if self._trunk is not None:
            initialise_trunk(network.trunk, self._trunk)
        nn.init.zeros_(network.head.classify.weight)
        training = np.concatenate(list(self._pools.values()))
        known = self._arrays.known[training].sum(axis=0)
        frequency = (self._arrays.labels[training].sum(axis=0) + 1) / (known + 2)
        with torch.no_grad():
            network.head.classify.bias.copy_(torch.from_numpy(np.log(frequency / (1 - frequency))))
        return network

    def trunk_parameters(self, network: nn.Module) -> list[nn.Parameter]:
        """Parameters of the trunk."""
        assert isinstance(network, FindingNetwork)
        return list(network.trunk.parameters())

    def loss(self, network: nn.Module, random: np.random.Generator) -> Tensor:
        """Loss of a random batch, with mixup where the preset asks for it."""
        indices = self._draw(random)
        images = torch.from_numpy(self._arrays.images[indices]).float().div(255)[:, None]
        images = reduced(images, self._member.image_size)
        boxes = widen(torch.from_numpy(self._arrays.boxes[indices]), self._preset.box_margin)
        whole = torch.from_numpy(random.random(len(indices)) < self._member.whole_image_share)
        boxes = torch.where(whole[:, None], torch.tensor(WHOLE_IMAGE), boxes)
        grids = random_grids(boxes, self._member.size, self._augmentation, random)
        images = change_exposure(sample(images, grids), self._augmentation, random)
        targets = torch.from_numpy(self._arrays.labels[indices].astype(np.float32))
        known = torch.from_numpy(self._arrays.known[indices].astype(np.float32))
        weights = known / known.sum(dim=1, keepdim=True)
        if self._preset.mixup > 0:
            share = float(random.beta(self._preset.mixup, self._preset.mixup))
            partner = torch.from_numpy(random.permutation(len(indices)))
            images = share * images + (1 - share) * images[partner]
            targets = share * targets + (1 - share) * targets[partner]
            weights = weights * (known[partner] > 0)
        logits = network(images.contiguous(memory_format=torch.channels_last))
        return smoothed_cross_entropy(logits.float(), targets, self._preset.smoothing, weights)

    def _draw(self, random: np.random.Generator) -> NDArray[np.int64]:
        counts = random.multinomial(self._batch_size, self._shares)
        return np.concatenate(
            [
                random.choice(pool, size=count, replace=count > len(pool))
                for pool, count in zip(self._pools.values(), counts, strict=True)
            ]
        )

    def validate(self, network: nn.Module) -> dict[str, float]:
        """Area under the curve per finding, on the primary sources' validation split."""
        logits = member_logits(
            network, self._arrays, self._validation, self._member, self._preset.box_margin
        )
        figures = validation_figures(logits, self._arrays, self._validation, self._preset.primary)
        own = [area for target, area in figures.items() if target in FINDINGS]
        known = self._arrays.known[self._validation]
        wrong = hamming_loss(logits[known] > 0, self._arrays.labels[self._validation][known])
        return {**figures, "hamming_loss": wrong, self.best_metric: float(np.mean(own))}


def member_logits(
    network: nn.Module,
    arrays: FindingArrays,
    indices: NDArray[np.int64],
    member: MemberSettings,
    box_margin: float,
    batch_size: int = 32,
) -> NDArray[np.float64]:
    """Logits ``(images, targets)``, the mean over the member's views and their mirror images."""
    found = []
    for start in range(0, len(indices), batch_size):
        part = indices[start : start + batch_size]
        images = torch.from_numpy(arrays.images[part]).float().div(255)[:, None]
        lungs = torch.from_numpy(arrays.boxes[part])
        with torch.inference_mode():
            logits = view_logits(network, images, lungs, member, box_margin)
        found.append(logits.double().numpy())
    return np.concatenate(found)
