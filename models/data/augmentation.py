"""Random but reproducible changes to training images: place, size, tilt and exposure.

No left-right flip for anatomy: a flipped chest has its heart on the wrong side, and the network
must learn sides. Every random number comes from the generator that the caller passes, so a step
can be repeated exactly.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from pydantic import ConfigDict
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True, slots=True)
class AugmentationSettings:
    """How far images are changed. Angles in degrees, shifts as shares of the side."""

    rotation: float = 10.0
    scale: float = 0.12
    aspect: float = 0.08
    shift: float = 0.05
    brightness: float = 0.12
    contrast: float = 0.25
    gamma: float = 0.35
    noise: float = 0.02
    flip: float = 0.0

    # Read from presets as well, where a misspelt setting must not pass.
    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")


def random_grids(
    boxes: Tensor, size: int, settings: AugmentationSettings, random: np.random.Generator
) -> Tensor:
    """Sampling grids ``(batch, size, size, 2)`` around ``boxes``, each changed at random.

    ``boxes`` is ``(batch, 4)``: x_min, y_min, x_max, y_max as shares of the image in [0, 1].
    """
    count = len(boxes)

    def uniform(limit: float) -> Tensor:
        return torch.from_numpy(random.uniform(-limit, limit, count).astype(np.float32))

    angle = torch.deg2rad(uniform(settings.rotation))
    scale = torch.exp(uniform(settings.scale))
    stretch = torch.exp(0.5 * uniform(settings.aspect))
    flip = torch.from_numpy((random.random(count) < settings.flip).astype(np.float32))
    half_width = boxes[:, 2] - boxes[:, 0]
    half_height = boxes[:, 3] - boxes[:, 1]
    centre_x = boxes[:, 0] + boxes[:, 2] - 1 + 2 * half_width * uniform(settings.shift)
    centre_y = boxes[:, 1] + boxes[:, 3] - 1 + 2 * half_height * uniform(settings.shift)
    across, down = half_width * scale * stretch, half_height * scale / stretch
    mirror = 1 - 2 * flip
    theta = torch.stack(
        [
            torch.stack([mirror * across * angle.cos(), -down * angle.sin(), centre_x], dim=1),
            torch.stack([mirror * across * angle.sin(), down * angle.cos(), centre_y], dim=1),
        ],
        dim=1,
    )
    return functional.affine_grid(theta, [count, 1, size, size], align_corners=False)


def box_grids(boxes: Tensor, size: int) -> Tensor:
    """Sampling grids that cut ``boxes`` (shares of the image) out, unchanged otherwise."""
    still = AugmentationSettings(0, 0, 0, 0, 0, 0, 0, 0, 0)
    return random_grids(boxes, size, still, np.random.default_rng(0))


def sample(images: Tensor, grids: Tensor) -> Tensor:
    """Sample float images ``(batch, channels, height, width)``; outside is black."""
    return functional.grid_sample(
        images, grids, mode="bilinear", padding_mode="zeros", align_corners=False
    )


def change_exposure(
    images: Tensor, settings: AugmentationSettings, random: np.random.Generator
) -> Tensor:
    """Change gamma, contrast and brightness of images in [0, 1], and add a little noise."""
    count = len(images)

    def uniform(limit: float) -> Tensor:
        values = random.uniform(-limit, limit, count).astype(np.float32)
        return torch.from_numpy(values).view(count, 1, 1, 1)

    changed = images.clamp(0, 1) ** torch.exp(uniform(settings.gamma))
    changed = (changed - 0.5) * torch.exp(uniform(settings.contrast)) + 0.5
    changed = changed + uniform(settings.brightness)
    if settings.noise > 0:
        strength = torch.from_numpy(
            random.uniform(0, settings.noise, count).astype(np.float32)
        ).view(count, 1, 1, 1)
        noise = random.standard_normal(images.shape, dtype=np.float32)
        changed = changed + strength * torch.from_numpy(noise)
    return changed.clamp(0, 1)
