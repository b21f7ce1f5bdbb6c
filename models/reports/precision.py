"""Trained layers in single precision within a model whose frozen rest is in half precision."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


def in_single_precision(layer: nn.Module, back: torch.dtype | None) -> None:
    """Let a layer, which is made float32 in place, take inputs of any precision.

    Small steps vanish in half precision, so what trains must not be in it. ``back`` is the
    precision of what the layer gives; None leaves it single.
    """
    layer.float()
    if back is torch.float32:
        return

    def before(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return tuple(map(_single, args)), {name: _single(value) for name, value in kwargs.items()}

    layer.register_forward_pre_hook(before, with_kwargs=True)
    if back is not None:
        layer.register_forward_hook(lambda _, __, output: _to(output, back))


def _single(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(map(_single, value))
    floating = isinstance(value, Tensor) and value.dtype.is_floating_point
    return value.float() if floating else value


def _to(output: Any, precision: torch.dtype) -> Any:
    if isinstance(output, tuple):
        return tuple(_to(part, precision) for part in output)
    floating = isinstance(output, Tensor) and output.dtype.is_floating_point
    return output.to(precision) if floating else output
