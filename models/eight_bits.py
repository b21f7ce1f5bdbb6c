"""Weights as 8-bit integers, each output channel with a scale of its own.

Half the size of float16 for a file that is kept and fetched; networks compute in float32 all the
same. A matrix or a filter bank is stored as ``NAME`` (int8) and ``NAME.scale`` (float32, one for
each row); a weight is their product. Vectors (biases, normalisation) stay as they are: they are
small, and an error there moves a whole channel.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

_SCALE: Final = ".scale"
_LARGEST: Final = 127


def packed(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """The weights with every matrix and filter bank as integers and scales.

    A weight changes by at most half of its row's scale, that is 1/254 of the row's largest weight.
    """
    stored: dict[str, Tensor] = {}
    for name, value in weights.items():
        if not value.is_floating_point() or value.ndim < 2:
            stored[name] = value
            continue
        rows = value.float().flatten(1)
        scale = rows.abs().amax(dim=1) / _LARGEST
        scale = torch.where(scale > 0, scale, torch.ones_like(scale))
        codes = (rows / scale[:, None]).round().clamp(-_LARGEST, _LARGEST)
        stored[name] = codes.to(torch.int8).view(value.shape)
        stored[name + _SCALE] = scale
    return stored


def expanded(stored: dict[str, Tensor]) -> dict[str, Tensor]:
    """The weights in float32 again; whatever was not packed stays as it is.

    Raises:
        RuntimeError: the scales do not fit their integers.
    """
    weights: dict[str, Tensor] = {}
    for name, value in stored.items():
        scale = stored.get(name + _SCALE)
        if scale is not None and value.dtype is torch.int8:
            shape = (len(value),) + (1,) * (value.ndim - 1)
            weights[name] = value.float() * scale.float().view(shape)
        elif not _is_scale(name, stored):
            weights[name] = value
    return weights


def _is_scale(name: str, stored: dict[str, Tensor]) -> bool:
    owner = stored.get(name.removesuffix(_SCALE))
    return name.endswith(_SCALE) and owner is not None and owner.dtype is torch.int8
