"""Give a training image the look of another one, so that no look goes with one source.

A source whose heart is outlined must not be recognisable by its grey values: a network that can
tell the sources apart learns to outline hearts in that source alone.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

_LOW_FREQUENCY_SHARE = 0.03
_MOST_SHARPENING = 0.8
_BLUR = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0]) / 16


def borrow_look(
    images: Tensor, donors: Tensor, share: float, random: np.random.Generator
) -> Tensor:
    """Images ``(batch, 1, height, width)`` in [0, 1], a ``share`` of them with a donor's look.

    The donor gives its lowest frequencies' amplitudes (Yang and Soatto, FDA, CVPR 2020), blended
    by a random amount, and then its grey-value distribution; the fine structure is blurred or
    sharpened a little. ``donors`` has the shape of ``images``.
    """
    changed = images.clone()
    for index in np.flatnonzero(random.random(len(images)) < share):
        own, other = images[index, 0], donors[index, 0]
        mixed = _mix_amplitudes(own, other, float(random.uniform(0, 1)))
        matched = match_distribution(mixed.numpy(), other.numpy())
        keep = float(random.uniform(0, 0.5))
        look = keep * own + (1 - keep) * torch.from_numpy(matched)
        changed[index, 0] = _resharpen(look, float(random.uniform(-1, _MOST_SHARPENING)))
    return changed.clamp(0, 1)


def match_distribution(
    image: NDArray[np.float32], reference: NDArray[np.float32]
) -> NDArray[np.float32]:
    """The image with its grey values replaced, rank by rank, by the reference's (same shape)."""
    order = np.argsort(image, axis=None, kind="stable")
    matched = np.empty(image.size, dtype=np.float32)
    matched[order] = np.sort(reference, axis=None)
    return matched.reshape(image.shape)


def _mix_amplitudes(own: Tensor, other: Tensor, blend: float) -> Tensor:
    spectrum, foreign = torch.fft.fft2(own), torch.fft.fft2(other)
    reach = max(1, int(own.shape[0] * _LOW_FREQUENCY_SHARE))
    low = torch.zeros(own.shape, dtype=torch.bool)
    for rows in (slice(0, reach + 1), slice(-reach, None)):
        for columns in (slice(0, reach + 1), slice(-reach, None)):
            low[rows, columns] = True
    amplitude = spectrum.abs()
    blended = torch.where(low, (1 - blend) * amplitude + blend * foreign.abs(), amplitude)
    mixed: Tensor = torch.fft.ifft2(torch.polar(blended, spectrum.angle())).real
    return mixed


def _resharpen(image: Tensor, amount: float) -> Tensor:
    """Blend with the blurred image (negative ``amount``), or away from it (positive)."""
    kernel = (_BLUR[:, None] * _BLUR)[None, None]
    padded = functional.pad(image[None, None], (2, 2, 2, 2), mode="replicate")
    blurred = functional.conv2d(padded, kernel)[0, 0]
    return image + amount * (image - blurred)
