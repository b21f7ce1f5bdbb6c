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
from models.segmenter.network import SegmenterNetwork, Structure, mirror_order
from models.segmenter.preset import SegmenterSettings

_STRUCTURES = len(Structure)
_IMPLIED_WEIGHT = 0.5
_MIRROR_ORDER = [*mirror_order(tuple(Structure)), int(Plane.BOTH_LUNGS)]


class SegmenterTask:
    """A task of :class:`models.training.loop.TrainingLoop`.

    Images are drawn by source with the preset's shares. A structure counts where it was
    annotated; where both lungs came in one mask that could not be parted, the union of the two
    outputs is held against it.

    Sources draw the lungs by different conventions (the apices above all), so that of the
    reference source is learnt: near the other sources' outlines nothing is judged. Where heart and
    mediastinum were outlined as one, the lungs were drawn on behind it, which the reference does
    not do, so the lungs are not judged there.
    """

    best_metric = "mean_dice"

    def __init__(
        self,
        preset: SegmenterSettings,
        augmentation: AugmentationSettings,
        batch_size: int,
        arrays: AnatomyArrays,
        imagenet: dict[str, Tensor] | None,
        earlier: SegmenterNetwork | None = None,
    ) -> None:
        self._preset = preset
        self._augmentation = augmentation
        self._batch_size = batch_size
        self._arrays = arrays
        self._imagenet = imagenet
        self._earlier = earlier
        training = np.array([split is Split.TRAIN for split in arrays.splits])
        sources = np.array(arrays.sources)
        self._pools = {
            source: np.flatnonzero(training & (sources == source)) for source in preset.sampling
        }
        self._pools = {source: pool for source, pool in self._pools.items() if len(pool)}
        shares = np.array([preset.sampling[source] for source in self._pools])
        self._shares = shares / shares.sum()
        kept = np.array([split is Split.VAL for split in arrays.splits])
        outlined = arrays.known[:, [Plane.HEART, Plane.AIRWAYS, Plane.CARDIOMEDIASTINUM]].any(1)
        self._validation = np.flatnonzero(kept & outlined)

    def network(self) -> nn.Module:
        """Build the network: from an earlier one, else with ImageNet's trunk where it was given."""
        network = SegmenterNetwork(
            self._preset.decoder_widths, frozen_blocks=self._preset.frozen_blocks
        )
        if self._earlier is not None:
            network.take_over(self._earlier)
        elif self._imagenet is not None:
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
        mirrored = torch.from_numpy(random.random(len(indices)) < self._preset.mirror_share)
        images[mirrored] = images[mirrored].flip(-1)
        planes[mirrored] = planes[mirrored].flip(-1)[:, _MIRROR_ORDER]
        known[mirrored] = known[mirrored][:, _MIRROR_ORDER]
        foreign = torch.tensor(
            [self._arrays.sources[index] != self._preset.reference for index in indices]
        )
        implied = lungs_imply(planes, known)
        unclear = foreign.float()[:, None, None, None] * outline_bands(
            planes, self._preset.outline_margin
        )
        logits = network(images.contiguous(memory_format=torch.channels_last)).float()
        loss = anatomy_loss(logits, planes, known, implied, unclear)
        if self._preset.heart_extent_weight > 0:
            extent = extent_loss(
                logits[:, Plane.HEART], planes[:, Plane.HEART], known[:, Plane.HEART]
            )
            loss = loss + self._preset.heart_extent_weight * extent
        return loss

    def validate(self, network: nn.Module) -> dict[str, float]:
        """Dice per structure on validation films: the reference's, or else all that have it.

        ``best_metric`` is the mean over the structures that the reference outlines.
        """
        scores: dict[tuple[Structure, bool], list[float]] = {}
        for start in range(0, len(self._validation), 16):
            indices = self._validation[start : start + 16]
            images = torch.from_numpy(self._arrays.images[indices]).float().div(255)[:, None]
            masks = (network(images) > 0).numpy()
            truth = unpack(self._arrays.planes[indices]).numpy() > 0
            for row, index in enumerate(indices):
                exact = self._arrays.sources[index] == self._preset.reference
                for place, structure in enumerate(Structure):
                    if self._arrays.known[index, place]:
                        overlap = dice(masks[row, place], truth[row, place])
                        scores.setdefault((structure, exact), []).append(overlap)
        exact_figures = {str(s): float(np.mean(v)) for (s, exact), v in scores.items() if exact}
        figures = {str(s): float(np.mean(v)) for (s, exact), v in scores.items() if not exact}
        mean = float(np.mean(list(exact_figures.values()))) if exact_figures else 0.0
        return {**figures, **exact_figures, self.best_metric: mean}


def unpack(planes: np.typing.NDArray[np.uint8]) -> Tensor:
    """Spread the bits of ``(batch, height, width)`` bytes to ``(batch, 8, height, width)``."""
    bits = (planes[:, None] >> np.arange(len(Plane), dtype=np.uint8)[None, :, None, None]) & 1
    return torch.from_numpy(bits.astype(np.float32))


def outline_bands(planes: Tensor, margin: int) -> Tensor:
    """0/1 ``(batch, 1, height, width)``: the pixels within ``margin`` of a lung's outline."""
    lungs = planes[:, [Plane.LEFT_LUNG, Plane.RIGHT_LUNG, Plane.BOTH_LUNGS]].amax(1, keepdim=True)
    if margin == 0 or len(planes) == 0:
        return torch.zeros_like(lungs)
    grown = _largest_within(lungs, margin)
    shrunk = 1 - _largest_within(1 - lungs, margin)
    return grown - shrunk


def _largest_within(planes: Tensor, margin: int) -> Tensor:
    """Each pixel's maximum over the square that reaches ``margin`` pixels: rows, then columns."""
    window = 2 * margin + 1
    tall = functional.max_pool2d(planes, (window, 1), stride=1, padding=(margin, 0))
    return functional.max_pool2d(tall, (1, window), stride=1, padding=(0, margin))


def extent_loss(logits: Tensor, mask: Tensor, known: Tensor) -> Tensor:
    """How far a structure's horizontal extent is off: cross-entropy of the columns it occupies.

    ``logits`` and ``mask`` are ``(batch, height, width)``, ``known`` is 0/1 ``(batch,)``. A column
    is as likely occupied as its likeliest pixel, so the loss pulls at the outermost pixels, which
    alone decide the cardiothoracic ratio and weigh next to nothing in an overlap.
    """
    entropy = functional.binary_cross_entropy_with_logits(
        logits.amax(1), mask.amax(1), reduction="none"
    ).mean(1)
    return (entropy * known).sum() / known.sum().clamp(min=1.0)


def anatomy_loss(
    logits: Tensor,
    planes: Tensor,
    known: Tensor,
    implied: ImpliedAnatomy | None = None,
    unclear: Tensor | None = None,
) -> Tensor:
    """Masked loss over the structures and, where only that is known, the lungs' union.

    ``planes`` is ``(batch, 8, height, width)`` and ``known`` ``(batch, 8)``, both 0/1, indexed
    by :class:`models.data.anatomy_cache.Plane`. ``unclear`` ``(batch, 1, height, width)`` marks
    where lungs are not judged, besides what is drawn as heart and mediastinum in one. Where a
    structure was not outlined, what the lungs imply about it counts instead, with less weight.
    """
    union = union_logit(logits[:, :1], logits[:, 1:2])
    extended = torch.cat([logits, union], dim=1)
    sides_known = known[:, Plane.LEFT_LUNG] * known[:, Plane.RIGHT_LUNG]
    counted = known.clone()
    counted[:, Plane.BOTH_LUNGS] = known[:, Plane.BOTH_LUNGS] * (1 - sides_known)
    judged = torch.ones_like(extended)
    lungs = [int(Plane.LEFT_LUNG), int(Plane.RIGHT_LUNG), int(Plane.BOTH_LUNGS)]
    hidden = planes[:, Plane.CARDIOMEDIASTINUM : Plane.CARDIOMEDIASTINUM + 1]
    judged[:, lungs] = 1 - (hidden if unclear is None else torch.maximum(hidden, unclear))
    targets = planes.clone()
    if implied is not None:
        for plane, target, where in (
            (Plane.HEART, implied.heart, implied.heart_judged),
            (Plane.CARDIOMEDIASTINUM, implied.mediastinum, implied.mediastinum_judged),
            (Plane.LEFT_CLAVICLE, None, implied.no_clavicle),
            (Plane.RIGHT_CLAVICLE, None, implied.no_clavicle),
            (Plane.AIRWAYS, None, implied.no_airway),
        ):
            films = implied.films * (1 - known[:, plane])
            chosen = films[:, None, None] > 0
            counted[:, plane] = known[:, plane] + _IMPLIED_WEIGHT * films
            judged[:, plane] = torch.where(chosen, where, judged[:, plane])
            if target is not None:
                targets[:, plane] = torch.where(chosen, target, targets[:, plane])
    return masked_overlap_loss(extended, targets, counted, judged)
