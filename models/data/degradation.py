"""Spoil films the way films are spoilt, so that a score of trust can be fitted and measured.

Turned and cropped films take their masks along; on the others the masks stay what they were.
"""

from __future__ import annotations

from enum import StrEnum

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from models.data.augmentation import box_grids, sample


class Degradation(StrEnum):
    """What is done to a film."""

    CROPPED = "cropped"
    """A window of half to five sixths of each side."""
    TURNED = "turned"
    """By 15 to 60 degrees."""
    BLURRED = "blurred"
    NOISY = "noisy"
    BURNT = "burnt"
    """Far too dark or too bright."""
    NEGATIVE = "negative"
    HIDDEN = "hidden"
    """One side white from about the middle down, as by a large effusion."""


def degrade(
    image: Tensor, masks: Tensor, kind: Degradation, random: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """A film ``(size, size)`` in [0, 1] and its 0/1 masks ``(masks, size, size)``, spoilt."""
    size = image.shape[-1]
    match kind:
        case Degradation.CROPPED:
            side = random.uniform(0.5, 0.85, 2)
            corner = random.uniform(0, 1 - side)
            box = torch.from_numpy(np.concatenate([corner, corner + side])).float()
            return _resample(image, masks, box_grids(box[None], size))
        case Degradation.TURNED:
            angle = float(np.deg2rad(random.uniform(15, 60)) * random.choice([-1, 1]))
            cosine, sine = np.cos(angle), np.sin(angle)
            turn = torch.tensor([[[cosine, -sine, 0.0], [sine, cosine, 0.0]]]).float()
            return _resample(
                image,
                masks,
                functional.affine_grid(turn, [1, 1, size, size], align_corners=False),
            )
        case Degradation.BLURRED:
            return _blur(image, float(random.uniform(0.008, 0.027)) * size), masks
        case Degradation.NOISY:
            noise = random.standard_normal((size, size), dtype=np.float32)
            strength = float(random.uniform(0.15, 0.5))
            return (image + strength * torch.from_numpy(noise)).clamp(0, 1), masks
        case Degradation.BURNT:
            return image ** float(random.choice([0.2, 0.3, 4.0, 6.0])), masks
        case Degradation.NEGATIVE:
            return 1 - image, masks
        case Degradation.HIDDEN:
            spoilt = image.clone()
            first = int(size * random.uniform(0.35, 0.6))
            half = slice(0, size // 2) if random.random() < 0.5 else slice(size // 2, size)
            grain = torch.from_numpy(random.standard_normal((size, size), dtype=np.float32))
            spoilt[first:, half] = (0.75 + 0.05 * grain).clamp(0, 1)[first:, half]
            return spoilt, masks


def _resample(image: Tensor, masks: Tensor, grids: Tensor) -> tuple[Tensor, Tensor]:
    moved = sample(torch.cat([image[None], masks])[None], grids)[0]
    return moved[0], (moved[1:] >= 0.5).float()


def _blur(image: Tensor, sigma: float) -> Tensor:
    reach = max(1, round(3 * sigma))
    places = torch.arange(-reach, reach + 1, dtype=torch.float32)
    kernel = torch.exp(-0.5 * (places / sigma) ** 2)
    kernel = (kernel / kernel.sum())[None, None]
    padded = functional.pad(image[None, None], (reach,) * 4, mode="replicate")
    across = functional.conv2d(padded, kernel[:, :, None])
    return functional.conv2d(across, kernel[..., None])[0, 0]
