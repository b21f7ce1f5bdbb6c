"""What each proposal teaches about each finding, where drawn boxes are not exhaustive.

A box that was not drawn is no statement that nothing is there. For one proposal and one finding:

- drawn in the image: the proposal is positive from ``positive_overlap`` with a drawn box of it,
  ignored between the two limits, and below ``negative_overlap`` negative at ``elsewhere_weight``:
  a radiologist drew the finding elsewhere, so it is probably, not surely, absent here;
- absent from the image by its labels: negative, wherever the proposal lies;
- stated but not drawn, or not known: ignored.

A proposal on another finding's box is treated no differently: findings share places, as pneumonia
and infiltration do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor
from torchvision.ops import box_iou

PRESENT: Final = 1
ABSENT: Final = 0
UNKNOWN: Final = -1


@dataclass(frozen=True, slots=True)
class MatchingRules:
    """Limits of overlap (intersection over union), and the weight of an uncertain negative."""

    positive_overlap: float = 0.5
    negative_overlap: float = 0.3
    elsewhere_weight: float = 0.3


@dataclass(frozen=True, slots=True)
class ProposalTargets:
    """Targets and weights ``(proposals, findings)``; ``matched`` numbers the box, -1 for none."""

    target: Tensor
    weight: Tensor
    matched: Tensor


def proposal_targets(
    proposals: Tensor, boxes: Tensor, findings: Tensor, stated: Tensor, rules: MatchingRules
) -> ProposalTargets:
    """Apply the rules of this module to one image.

    ``proposals`` is ``(proposals, 4)`` and ``boxes`` ``(boxes, 4)``, in one scale; ``findings``
    numbers each box's finding from 0; ``stated`` is ``(findings,)``: PRESENT, ABSENT or UNKNOWN.
    """
    shape = (len(proposals), len(stated))
    target = torch.zeros(shape)
    matched = torch.full(shape, -1, dtype=torch.int64)
    weight = (stated == ABSENT).float().expand(shape).clone()
    overlaps = box_iou(proposals, boxes)
    for finding in sorted(set(findings.tolist())):
        own = torch.nonzero(findings == finding)[:, 0]
        best, place = overlaps[:, own].max(dim=1)
        positive = best >= rules.positive_overlap
        target[:, finding] = positive.float()
        matched[:, finding] = torch.where(positive, own[place], -1)
        elsewhere = (best < rules.negative_overlap).float() * rules.elsewhere_weight
        weight[:, finding] = torch.where(positive, 1.0, elsewhere)
    return ProposalTargets(target, weight, matched)


def undrawn(findings: Tensor, stated: Tensor) -> Tensor:
    """Which findings ``(findings,)`` are stated to be present and yet not drawn."""
    drawn = torch.zeros(len(stated), dtype=torch.bool)
    drawn[findings] = True
    return (stated == PRESENT) & ~drawn
