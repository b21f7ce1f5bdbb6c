"""Training of the anatomy segmenter: what a batch is, its loss, its validation."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from models.data.anatomy_cache import AnatomyArrays, Plane
from models.data.appearance import borrow_look
from models.data.augmentation import (
    AugmentationSettings,
    change_exposure,
    random_grids,
    sample,
)
from models.data.records import Split
from models.imagenet import initialise_trunk
from models.losses import masked_overlap_loss, union_logit
from models.metrics import dice
from models.segmenter.implied import ImpliedAnatomy, lungs_imply
from models.segmenter.network import SegmenterNetwork, Structure
from models.segmenter.preset import SegmenterSettings

_STRUCTURES = len(Structure)
_IMPLIED_WEIGHT = 0.5


class SegmenterTask:
    """A task of :class:`models.training.loop.TrainingLoop`.

    Images are drawn by source with the preset's shares. A structure counts where it was
    annotated; where both lungs came in one mask that could not be parted, the union of the two
    outputs is held against it.

    Sources draw the lungs by different conventions (the apices above all), so that of the
    reference source is learnt: near the other sources' outlines nothing is judged.
    """

    best_metric = "mean_dice"

    def __init__(
        self,
        preset: SegmenterSettings,
        augmentation: AugmentationSettings,
        batch_size: int,
        arrays: AnatomyArrays,
        imagenet: dict[str, Tensor] | None,
    ) -> None:
        self._preset = preset
        self._augmentation = augmentation
        self._batch_size = batch_size
        self._arrays = arrays
        self._imagenet = imagenet
        training = np.array([split is Split.TRAIN for split in arrays.splits])
        sources = np.array(arrays.sources)
        self._pools = {
            source: np.flatnonzero(training & (sources == source)) for source in preset.sampling
        }
        self._pools = {source: pool for source, pool in self._pools.items() if len(pool)}
        shares = np.array([preset.sampling[source] for source in self._pools])
        self._shares = shares / shares.sum()
        kept = np.array([split is Split.VAL for split in arrays.splits])
        self._validation = np.flatnonzero(kept & arrays.known[:, Plane.HEART])

    def network(self) -> nn.Module:
        """Build the network, the trunk with ImageNet weights where they were given."""
        network = SegmenterNetwork(self._preset.decoder_widths, self._preset.frozen_blocks)
        if self._imagenet is not None:
            initialise_trunk(network.trunk, self._imagenet)
        return network

    def trunk_parameters(self, network: nn.Module) -> list[nn.Parameter]:
        """Parameters of the EfficientNet."""
        assert isinstance(network, SegmenterNetwork)
        return list(network.trunk.parameters())

    def loss(self, network: nn.Module, random: np.random.Generator) -> Tensor:
        """Loss of a random batch."""
        pools = list(self._pools.values())
        chosen = random.choice(len(pools), size=self._batch_size, p=self._shares)
        indices = np.array([random.choice(pools[pool]) for pool in chosen])
        images = torch.from_numpy(self._arrays.images[indices]).float().div(255)[:, None]
        planes = unpack(self._arrays.planes[indices])
        whole = torch.tensor([[0.0, 0.0, 1.0, 1.0]]).expand(len(indices), 4)
        grids = random_grids(whole, images.shape[-1], self._augmentation, random)
        images = sample(images, grids)
        donors = self._arrays.images[random.choice(np.concatenate(pools), size=len(indices))]
        images = borrow_look(
            images,
            torch.from_numpy(donors).float().div(255)[:, None],
            self._preset.borrowed_look_share,
            random,
        )
        images = change_exposure(images, self._augmentation, random)
        planes = (sample(planes, grids) >= 0.5).float()
        known = torch.from_numpy(self._arrays.known[indices]).float()
        foreign = torch.tensor(
            [self._arrays.sources[index] != self._preset.reference for index in indices]
        )
        implied = lungs_imply(planes, known)
        planes[foreign] = leave_outlines_open(planes[foreign], self._preset.outline_margin)
        logits = network(images.contiguous(memory_format=torch.channels_last)).float()
        return anatomy_loss(logits, planes, known, implied)

    def validate(self, network: nn.Module) -> dict[str, float]:
        """Dice per structure on the validation films with all five outlines."""
        scores: list[list[float]] = []
        for start in range(0, len(self._validation), 16):
            indices = self._validation[start : start + 16]
            images = torch.from_numpy(self._arrays.images[indices]).float().div(255)[:, None]
            masks = (network(images) > 0).numpy()
            truth = unpack(self._arrays.planes[indices])[:, :_STRUCTURES].numpy() > 0
            scores.extend(
                [dice(mine, theirs) for mine, theirs in zip(found, drawn, strict=True)]
                for found, drawn in zip(masks, truth, strict=True)
            )
        mean = np.array(scores).mean(axis=0)
        figures = {str(name): float(value) for name, value in zip(Structure, mean, strict=True)}
        return {**figures, self.best_metric: float(mean.mean())}


def unpack(planes: np.typing.NDArray[np.uint8]) -> Tensor:
    """Spread the bits of ``(batch, height, width)`` bytes to ``(batch, 7, height, width)``."""
    bits = (planes[:, None] >> np.arange(len(Plane), dtype=np.uint8)[None, :, None, None]) & 1
    return torch.from_numpy(bits.astype(np.float32))


def leave_outlines_open(planes: Tensor, margin: int) -> Tensor:
    """Mark the pixels within ``margin`` of a lung's outline as not judged, in a copy."""
    lungs = planes[:, [Plane.LEFT_LUNG, Plane.RIGHT_LUNG, Plane.BOTH_LUNGS]].amax(1, keepdim=True)
    if margin == 0 or len(planes) == 0:
        return planes
    window = 2 * margin + 1
    grown = functional.max_pool2d(lungs, window, stride=1, padding=margin)
    shrunk = 1 - functional.max_pool2d(1 - lungs, window, stride=1, padding=margin)
    opened = planes.clone()
    open_plane = opened[:, Plane.LUNGS_NOT_JUDGED : Plane.LUNGS_NOT_JUDGED + 1]
    open_plane.copy_(torch.maximum(open_plane, grown - shrunk))
    return opened


def anatomy_loss(
    logits: Tensor, planes: Tensor, known: Tensor, implied: ImpliedAnatomy | None = None
) -> Tensor:
    """Masked loss over the five structures and, where only that is known, the lungs' union.

    ``planes`` is ``(batch, 7, height, width)`` and ``known`` ``(batch, 6)``, both 0/1, indexed
    by :class:`models.data.anatomy_cache.Plane`. Where heart or clavicles were not outlined, what
    the lungs imply about them counts instead, with less weight.
    """
    union = union_logit(logits[:, :1], logits[:, 1:2])
    extended = torch.cat([logits, union], dim=1)
    sides_known = known[:, Plane.LEFT_LUNG] * known[:, Plane.RIGHT_LUNG]
    counted = known.clone()
    counted[:, Plane.BOTH_LUNGS] = known[:, Plane.BOTH_LUNGS] * (1 - sides_known)
    judged = torch.ones_like(extended)
    lungs = [int(Plane.LEFT_LUNG), int(Plane.RIGHT_LUNG), int(Plane.BOTH_LUNGS)]
    judged[:, lungs] = 1 - planes[:, Plane.LUNGS_NOT_JUDGED : Plane.LUNGS_NOT_JUDGED + 1]
    targets = planes[:, : Plane.BOTH_LUNGS + 1].clone()
    if implied is not None:
        for plane, target, where in (
            (Plane.HEART, implied.heart, implied.heart_judged),
            (Plane.LEFT_CLAVICLE, None, implied.no_clavicle),
            (Plane.RIGHT_CLAVICLE, None, implied.no_clavicle),
        ):
            films = implied.films * (1 - known[:, plane])
            chosen = films[:, None, None] > 0
            counted[:, plane] = known[:, plane] + _IMPLIED_WEIGHT * films
            judged[:, plane] = torch.where(chosen, where, judged[:, plane])
            if target is not None:
                targets[:, plane] = torch.where(chosen, target, targets[:, plane])
    return masked_overlap_loss(extended, targets, counted, judged)
