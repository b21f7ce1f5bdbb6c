"""Turn display pixels into what the networks see: one size, one intensity scale."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional

from findings.errors import StudyError

_MINIMUM_SIDE = 16
_DARK_PERCENTILE, _BRIGHT_PERCENTILE = 0.5, 99.5


def read_display(path: Path) -> NDArray[np.float32]:
    """Decode an 8-bit grey image file of a data set to display pixels in [0, 1]."""
    with Image.open(path) as image:
        return np.asarray(image.convert("L"), dtype=np.float32) / 255.0


def to_square(display: NDArray[np.float32], size: int) -> Tensor:
    """Resize to ``(size, size)`` with antialiasing and stretch the intensities to [0, 1].

    The aspect ratio is given up, as the training images' was. The stretch between the 0.5th and
    the 99.5th percentile makes the result independent of the display window's outer limits.
    A constant image becomes all zeros.

    Raises:
        StudyError: the array is not two-dimensional, has a side under 16 pixels, or holds values
            that are not finite.
    """
    if display.ndim != 2 or min(display.shape) < _MINIMUM_SIDE:
        raise StudyError(
            f"an image of shape {display.shape} cannot be analysed: give one grey image of at "
            f"least {_MINIMUM_SIDE} pixels a side"
        )
    # A copy: display pixels are read-only, and torch knows no read-only tensors.
    pixels = torch.from_numpy(np.array(display, dtype=np.float32, order="C"))
    if not bool(torch.isfinite(pixels).all()):
        raise StudyError(
            "the image holds values that are not finite, so no network can read it: "
            "check how its pixels were rescaled"
        )
    resized = functional.interpolate(
        pixels[None, None], size=(size, size), mode="bilinear", antialias=True, align_corners=False
    )[0, 0]
    limits = torch.quantile(
        resized.flatten(), torch.tensor([_DARK_PERCENTILE / 100, _BRIGHT_PERCENTILE / 100])
    )
    dark, bright = limits[0], limits[1]
    if float(bright - dark) < 1e-6:
        return torch.zeros_like(resized)
    return ((resized - dark) / (bright - dark)).clamp(0.0, 1.0)


def to_bytes(square: Tensor) -> NDArray[np.uint8]:
    """Round intensities in [0, 1] to 8 bits, for the caches of training."""
    pixels: NDArray[np.uint8] = (square * 255.0).round().to(torch.uint8).numpy()
    return pixels
