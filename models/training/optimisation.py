"""The optimiser of a run and its learning rate over the steps."""

from __future__ import annotations

import math
from collections.abc import Collection

import torch
from torch import nn

from models.training.presets import LoopSettings


def learning_rate_share(step: int, settings: LoopSettings) -> float:
    """Share of the full learning rate at ``step``: linear warm-up, then half a cosine to zero."""
    if step < settings.warmup_steps:
        return (step + 1) / settings.warmup_steps
    run = max(1, settings.steps - settings.warmup_steps)
    return 0.5 * (1 + math.cos(math.pi * (step - settings.warmup_steps) / run))


def make_optimiser(
    network: nn.Module, trunk: Collection[nn.Parameter], settings: LoopSettings
) -> torch.optim.Optimizer:
    """The preset's optimiser over what ``network`` trains, the trunk at a rate of its own.

    Each group keeps its full learning rate as ``full_rate``.
    """
    in_trunk = {id(parameter) for parameter in trunk}
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for parameter in network.parameters():
        if parameter.requires_grad:
            # Biases and normalisation gains are not decayed.
            kind = (id(parameter) in in_trunk, parameter.ndim > 1)
            groups.setdefault(kind, []).append(parameter)
    optimiser = torch.optim.Adam if settings.optimiser == "adam" else torch.optim.AdamW
    return optimiser(
        [
            {
                "params": parameters,
                "weight_decay": settings.weight_decay if decayed else 0.0,
                "full_rate": settings.trunk_learning_rate if trunk else settings.learning_rate,
            }
            for (trunk, decayed), parameters in groups.items()
        ],
        lr=settings.learning_rate,
    )


def set_learning_rate(optimiser: torch.optim.Optimizer, step: int, settings: LoopSettings) -> None:
    """Give every group its learning rate for ``step``."""
    share = learning_rate_share(step, settings)
    for group in optimiser.param_groups:
        group["lr"] = group["full_rate"] * share
