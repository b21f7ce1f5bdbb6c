"""Boxes of an image, of its mirror image, and of both in one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.detection_metrics import intersection_over_union
from models.detector.network import DetectorNetwork

_SAME_PLACE: Final = 0.5
"""Overlap from which two boxes of a finding, one of each view, are taken for one."""


@dataclass(frozen=True, slots=True)
class Found:
    """What the network found in one image, best first.

    ``boxes`` ``(n, 4)`` in shares of the image; ``findings`` ``(n,)`` numbered from 0; ``scores``.
    """

    boxes: NDArray[np.float64]
    findings: NDArray[np.int64]
    scores: NDArray[np.float64]


def look(network: DetectorNetwork, images: Tensor) -> list[Found]:
    """Boxes of images ``(images, size, size)`` in [0, 1], of the network's size.

    Where the network's settings say so, each is looked at mirrored too.
    """
    with torch.inference_mode():
        found = _look_once(network, images)
        if not network.settings.mirrored:
            return found
        mirrored = [_mirrored(own) for own in _look_once(network, images.flip(-1))]
    return [merged(one, other) for one, other in zip(found, mirrored, strict=True)]


def merged(one: Found, other: Found) -> Found:
    """Two views' boxes of one image in one, as in weighted boxes fusion.

    Boxes of a finding that lie in the same place become their mean, weighted by score, with the
    mean of the scores; a box that one view alone sees keeps half of its score (Solovyev et al.,
    Image and Vision Computing 107, 2021).
    """
    overlaps = intersection_over_union(one.boxes, other.boxes)
    overlaps[one.findings[:, None] != other.findings[None]] = 0
    boxes, scores = one.boxes.copy(), one.scores / 2
    alone = np.ones(len(other.scores), dtype=np.bool_)
    for row in range(len(boxes)):
        if not alone.any():
            break
        place = int(np.where(alone, overlaps[row], -1.0).argmax())
        if overlaps[row, place] < _SAME_PLACE:
            continue
        alone[place] = False
        weights = np.array([one.scores[row], other.scores[place]])
        boxes[row] = weights @ np.stack([one.boxes[row], other.boxes[place]]) / weights.sum()
        scores[row] = weights.mean()
    boxes = np.concatenate([boxes, other.boxes[alone]])
    scores = np.concatenate([scores, other.scores[alone] / 2])
    findings = np.concatenate([one.findings, other.findings[alone]])
    order = np.argsort(-scores, kind="stable")
    return Found(boxes[order], findings[order], scores[order])


def _look_once(network: DetectorNetwork, images: Tensor) -> list[Found]:
    size = images.shape[-1]
    return [
        Found(
            boxes=own["boxes"].double().numpy() / size,
            findings=own["labels"].numpy() - 1,
            scores=own["scores"].double().numpy(),
        )
        for own in network([image.expand(3, -1, -1) for image in images[:, None]])
    ]


def _mirrored(found: Found) -> Found:
    boxes = found.boxes.copy()
    boxes[:, [0, 2]] = 1 - found.boxes[:, [2, 0]]
    return Found(boxes, found.findings, found.scores)
