"""Counting parameters, and setting the count beside the figure that a paper gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import nn


@dataclass(frozen=True, slots=True)
class ParameterCount:
    """Parameters of a network, counted on any device, meta included.

    ``by_part`` counts the trained ones by the first part of their names, or by what the paper
    calls the parts.
    """

    total: int
    trainable: int
    by_part: Mapping[str, int]

    @property
    def share(self) -> float:
        """Trained share of all parameters."""
        return self.trainable / self.total if self.total else 0.0


@dataclass(frozen=True, slots=True)
class PublishedCount:
    """A count of ours beside the paper's: ``figure`` as published, from ``source``.

    ``reason`` says why they differ; empty where they agree to the figure's last digit.
    """

    row: str
    ours: int
    figure: float
    source: str
    reason: str = ""


def count_parameters(network: nn.Module, parts: Mapping[str, str] | None = None) -> ParameterCount:
    """Count the parameters of ``network``, each shared one once.

    ``parts`` maps pieces of parameter names to what they are counted under; the first piece that
    a name contains decides, and a name without any counts under its first component.
    """
    total = trainable = 0
    by_part: dict[str, int] = {}
    for name, parameter in network.named_parameters():
        total += parameter.numel()
        if parameter.requires_grad:
            trainable += parameter.numel()
            first = name.partition(".")[0]
            part = next((own for piece, own in (parts or {}).items() if piece in name), first)
            by_part[part] = by_part.get(part, 0) + parameter.numel()
    return ParameterCount(total, trainable, by_part)
