"""The region proposal network, for images on which not every finding is drawn."""

from __future__ import annotations

import torch
from torch import Tensor
from torchvision.models.detection.rpn import RegionProposalNetwork

_BACKGROUND, _IGNORED = 0.0, -1.0


class CautiousProposalNetwork(RegionProposalNetwork):  # type: ignore[misc]
    """Ignores anchors off the boxes where the image carries findings that are not drawn.

    Where every image is ``complete`` it is torchvision's own network.
    """

    def assign_targets_to_anchors(
        self, anchors: list[Tensor], targets: list[dict[str, Tensor]]
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Label 1 on a box, 0 off all boxes, -1 where nothing can be said."""
        labels, boxes = super().assign_targets_to_anchors(anchors, targets)
        cautious = [
            own
            if bool(target["complete"])
            else torch.where(own == _BACKGROUND, torch.full_like(own, _IGNORED), own)
            for own, target in zip(labels, targets, strict=True)
        ]
        return cautious, boxes

    def compute_loss(
        self,
        objectness: Tensor,
        pred_bbox_deltas: Tensor,
        labels: list[Tensor],
        regression_targets: list[Tensor],
    ) -> tuple[Tensor, Tensor]:
        """Losses of objectness and boxes; zero where a whole batch says nothing."""
        if all(bool((own == _IGNORED).all()) for own in labels):
            return objectness.sum() * 0.0, pred_bbox_deltas.sum() * 0.0
        losses: tuple[Tensor, Tensor] = super().compute_loss(
            objectness, pred_bbox_deltas, labels, regression_targets
        )
        return losses
