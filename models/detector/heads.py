"""The second stage: each proposal judged for each finding on its own, by masked losses."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional
from torchvision.models.detection.roi_heads import RoIHeads
from torchvision.ops import batched_nms, box_iou, clip_boxes_to_image, remove_small_boxes

from models.detector.context import ContextHead, surroundings
from models.detector.targets import MatchingRules, proposal_targets, undrawn

_SMOOTHNESS = 1 / 9
_LEAST_SIDE = 4.0
"""Pixels of the network's input below which a box is no finding."""


class IndependentFindingHeads(RoIHeads):  # type: ignore[misc]
    """A sigmoid for each finding in place of torchvision's softmax over findings and background.

    A place may show several findings, and what is not drawn is no background; see
    :mod:`models.detector.targets` for what a proposal teaches. A finding that is stated to be
    present but not drawn teaches through the proposal that looks most like it (multiple-instance
    learning); that proposal weighs ``instance_weight`` of a positive one.

    Targets of an image: ``boxes`` (n, 4), ``labels`` (n,) numbered from 1 as torchvision does,
    ``stated`` (findings,).
    """

    rules: MatchingRules = MatchingRules()
    instance_weight: float = 0.0

    def forward(
        self,
        features: dict[str, Tensor],
        proposals: list[Tensor],
        image_shapes: list[tuple[int, int]],
        targets: list[dict[str, Tensor]] | None = None,
    ) -> tuple[list[dict[str, Tensor]], dict[str, Tensor]]:
        """Losses in training, else boxes with labels (from 1) and scores (sigmoid)."""
        if self.training and targets is not None:
            proposals = [
                self._choose(own, target["boxes"])
                for own, target in zip(proposals, targets, strict=True)
            ]
        pooled = self.box_roi_pool(features, proposals, image_shapes)
        if isinstance(self.box_head, ContextHead):
            coarse = features[self.box_roi_pool.featmap_names[-1]]
            hidden = self.box_head(pooled, surroundings(coarse, proposals, image_shapes))
        else:
            hidden = self.box_head(pooled)
        logits, deltas = self.box_predictor(hidden)
        if self.training and targets is not None:
            return [], self._losses(logits, deltas, proposals, targets)
        counts = [len(own) for own in proposals]
        return [
            self._detections(own_logits, own_deltas, own_proposals, shape)
            for own_logits, own_deltas, own_proposals, shape in zip(
                logits.split(counts), deltas.split(counts), proposals, image_shapes, strict=True
            )
        ], {}

    def _choose(self, proposals: Tensor, boxes: Tensor) -> Tensor:
        """The drawn boxes and as many proposals as fit: some on those boxes, others at random."""
        room = max(0, int(self.fg_bg_sampler.batch_size_per_image) - len(boxes))
        shuffled = proposals[torch.randperm(len(proposals))]
        if len(boxes):
            on = box_iou(shuffled, boxes).amax(dim=1) >= self.rules.positive_overlap
            most = int(room * self.fg_bg_sampler.positive_fraction)
            shuffled = torch.cat([shuffled[on][:most], shuffled[~on], shuffled[on][most:]])
        return torch.cat([boxes, shuffled[:room]])

    def _losses(
        self,
        logits: Tensor,
        deltas: Tensor,
        proposals: list[Tensor],
        targets: list[dict[str, Tensor]],
    ) -> dict[str, Tensor]:
        count = sum(len(own) for own in proposals)
        judged, moved, instances = logits.sum() * 0.0, deltas.sum() * 0.0, logits.sum() * 0.0
        start = 0
        for own, target in zip(proposals, targets, strict=True):
            part = slice(start, start + len(own))
            start += len(own)
            findings = target["labels"] - 1
            said = proposal_targets(own, target["boxes"], findings, target["stated"], self.rules)
            judged = judged + functional.binary_cross_entropy_with_logits(
                logits[part], said.target, weight=said.weight, reduction="sum"
            )
            rows, columns = torch.nonzero(said.matched >= 0, as_tuple=True)
            if len(rows):
                drawn = target["boxes"][said.matched[rows, columns]]
                wanted = self.box_coder.encode_single(drawn, own[rows])
                given = deltas[part].view(len(own), -1, 4)[rows, columns]
                moved = moved + functional.smooth_l1_loss(
                    given, wanted, beta=_SMOOTHNESS, reduction="sum"
                )
            hidden = undrawn(findings, target["stated"])
            if len(own) and bool(hidden.any()):
                best = logits[part][:, hidden].amax(dim=0)
                instances = instances + functional.softplus(-best).sum()
        return {
            "loss_classifier": judged / max(1, count),
            "loss_box_reg": moved / max(1, count),
            "loss_instances": self.instance_weight * instances / max(1, count),
        }

    def _detections(
        self, logits: Tensor, deltas: Tensor, proposals: Tensor, shape: tuple[int, int]
    ) -> dict[str, Tensor]:
        findings = logits.shape[1]
        # Each column's deltas are its own, so the boxes are (proposals, findings, 4).
        boxes = self.box_coder.decode(deltas, [proposals]).view(-1, findings, 4)
        boxes = clip_boxes_to_image(boxes.reshape(-1, 4), shape)
        scores = logits.sigmoid().flatten()
        labels = torch.arange(1, findings + 1).repeat(len(proposals))
        kept = torch.nonzero(scores > self.score_thresh)[:, 0]
        kept = kept[remove_small_boxes(boxes[kept], _LEAST_SIDE)]
        kept = kept[batched_nms(boxes[kept], scores[kept], labels[kept], self.nms_thresh)]
        kept = kept[: self.detections_per_img]
        return {"boxes": boxes[kept], "labels": labels[kept], "scores": scores[kept]}
