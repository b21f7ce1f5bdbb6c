"""What a run came to: its validations and its best weights, and the file that keeps them."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from torch import Tensor

_CURVE_POINTS = 400


@dataclass(frozen=True, slots=True)
class Validation:
    """One validation: after which step, at what training loss, with which figures.

    ``curve`` holds ``(step, mean loss)`` points of the steps since the validation before;
    ``seconds`` counts from the run's first step, pauses left out.
    """

    step: int
    loss: float
    seconds: float
    metrics: dict[str, float]
    curve: tuple[tuple[int, float], ...] = ()


@dataclass(slots=True)
class Outcome:
    """What a run came to."""

    best_step: int = -1
    best_value: float = -math.inf
    history: list[Validation] = field(default_factory=list)
    best_weights: dict[str, Tensor] = field(default_factory=dict)

    def best(self) -> Validation:
        """The best validation. Raises `StopIteration` where there was none."""
        return next(entry for entry in self.history if entry.step == self.best_step)

    def since_best(self) -> int:
        """Number of validations since the best one."""
        return sum(1 for validation in self.history if validation.step > self.best_step)

    def add(self, entry: Validation, best_metric: str) -> bool:
        """Take in a validation; True where it is the best so far."""
        self.history.append(entry)
        value = entry.metrics[best_metric]
        better = value > self.best_value or self.best_step < 0
        if better:
            self.best_value, self.best_step = value, entry.step
        return better

    def state(self) -> dict[str, Any]:
        """Its part of a checkpoint."""
        return {
            "best_step": self.best_step,
            "best_value": self.best_value,
            "best_weights": self.best_weights,
            "history": [asdict(entry) for entry in self.history],
        }

    @classmethod
    def of_state(cls, saved: dict[str, Any]) -> Outcome:
        """What `state` gave."""
        return cls(
            saved["best_step"],
            saved["best_value"],
            [Validation(**entry) for entry in saved["history"]],
            saved["best_weights"],
        )


def curve_points(losses: list[float], last_step: int, steps: int) -> tuple[tuple[int, float], ...]:
    """Average the losses of consecutive steps, so that a whole run has some 400 points."""
    if not losses:
        return ()
    pieces = math.ceil(min(1.0, _CURVE_POINTS / steps) * len(losses))
    first = last_step - len(losses)
    return tuple(
        (first + int(piece[-1]) + 1, float(np.mean([losses[index] for index in piece])))
        for piece in np.array_split(np.arange(len(losses)), pieces)
    )


def write_checkpoint(state: dict[str, Any], path: Path) -> None:
    """Write a checkpoint, whole or not at all."""
    unfinished = path.with_name(f"{path.name}.unfinished")
    torch.save(state, unfinished)
    unfinished.replace(path)


def read_checkpoint(source: Path | BinaryIO) -> dict[str, Any]:
    """Read a checkpoint into the processor's memory; nothing but tensors and plain values pass."""
    state: dict[str, Any] = torch.load(source, map_location="cpu", weights_only=True)
    return state
